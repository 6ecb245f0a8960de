// swift-tools-version:6.0
import PackageDescription

// Sources/CReelsense/core is a link to the repository's core/: the package compiles the same files as everything else.
// What lies there and is no source of the library; `scripts/swift-sdk-tests` tells when this list is out of date.
let notOfTheLibrary = [
  "core/CMakeLists.txt",
  "core/base/base_test.cc",
  "core/capi/anchor.cc",
  "core/capi/capi_test.cc",
  "core/capi/example.c",
  "core/capi/reelsense_test.c",
  "core/classifier/classifier_test.cc",
  "core/classifier/socket_classifier_test.cc",
  "core/features/features_test.cc",
  "core/features/quantise_test.cc",
  "core/features/view_test.cc",
  "core/feedback/feedback_queue_test.cc",
  "core/flow/flow_test.cc",
  "core/model/model_hostile_test.cc",
  "core/model/model_test.cc",
  "core/packet/parse_packet_test.cc",
  "core/policy/flow_policy_test.cc",
  "core/policy/policy_options_test.cc",
  "core/policy/session_policy_test.cc",
  "core/policy/session_test.cc",
  "core/policy/throughput_test.cc",
]

let package = Package(
  name: "Reelsense",
  platforms: [.iOS(.v14), .macOS(.v12), .tvOS(.v14), .visionOS(.v1)],
  products: [
    .library(name: "Reelsense", targets: ["Reelsense"]),
    .executable(name: "reelsense-conformance", targets: ["ReelsenseConformance"]),
  ],
  targets: [
    // The C ABI: C++20 inside, a plain C header outside, so no C++ interoperability is asked of anyone. The flags are those
    // of every other build of core; without the first, features would differ in their last bits on arm64. SwiftPM takes
    // such flags of a package that is used by path, and this one is: its manifest is not at the repository's root.
    .target(
      name: "CReelsense",
      exclude: notOfTheLibrary,
      cxxSettings: [
        .headerSearchPath("core/include"),
        .headerSearchPath("core"),
        .unsafeFlags([
          "-ffp-contract=off", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-fvisibility-inlines-hidden",
        ]),
      ]
    ),
    .target(name: "Reelsense", dependencies: ["CReelsense"]),
    .executableTarget(name: "ReelsenseConformance", dependencies: ["Reelsense"]),
    // Adds feedback until it is killed; FeedbackTests kills it.
    .executableTarget(name: "FeedbackWriter", dependencies: ["Reelsense"], path: "Tests/FeedbackWriter"),
    .testTarget(name: "ReelsenseTests", dependencies: ["Reelsense", "FeedbackWriter"]),
    .testTarget(name: "ReelsenseStreamTests", dependencies: ["Reelsense"]),
  ],
  cxxLanguageStandard: .cxx20
)
