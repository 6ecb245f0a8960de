// The snippets of README.md, as a program that uses the package as an app does. Usage: QuickStart MODEL [URL SERVER]
import Foundation
import Reelsense

let modelFile = URL(fileURLWithPath: CommandLine.arguments[1])

if CommandLine.arguments.count == 4, let video = URL(string: CommandLine.arguments[2]),
  let edge = URL(string: CommandLine.arguments[3])
{
  try await fetch(video, modelFile: modelFile)
  try await askServer(edge, modelFile: modelFile)
} else {
  try replay(modelFile: modelFile)
}
