// The snippets of README.md, as a program that uses the package as an app does.
// Usage: QuickStart SOCKET_MODEL [VIDEO_URL PACKET_MODEL SERVER_URL]
import Foundation
import Reelsense

let modelFile = URL(fileURLWithPath: CommandLine.arguments[1])

if CommandLine.arguments.count == 5, let video = URL(string: CommandLine.arguments[2]),
  let edge = URL(string: CommandLine.arguments[4])
{
  try await fetch(video, modelFile: modelFile)
  try await askServer(edge, modelFile: URL(fileURLWithPath: CommandLine.arguments[3]))
} else {
  try replay(modelFile: modelFile)
}
