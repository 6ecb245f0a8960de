// swift-tools-version:6.0
import PackageDescription

let package = Package(
  name: "QuickStart",
  platforms: [.macOS(.v12)],
  dependencies: [.package(path: "../..")],  // sdk/ios; SwiftPM calls a package by the name of its folder
  targets: [.executableTarget(name: "QuickStart", dependencies: [.product(name: "Reelsense", package: "ios")])]
)
