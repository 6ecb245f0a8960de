// Runs the conformance cases through the package's public door. Usage: reelsense-conformance ROOT
// tests/conformance/README.md says what each kind of case asks for.
import Foundation

struct CaseList: Decodable {
  struct Case: Decodable {
    let kind: String
    let file: String
  }
  let count: Int
  let cases: [Case]
}

func run() throws -> Int32 {
  guard CommandLine.arguments.count == 2 else {
    FileHandle.standardError.write(Data("usage: reelsense-conformance ROOT (of the source tree)\n".utf8))
    return 2
  }
  let runner = Runner(root: URL(fileURLWithPath: CommandLine.arguments[1], isDirectory: true))
  let list = try JSONDecoder().decode(
    CaseList.self, from: Data(contentsOf: runner.root.appendingPathComponent("tests/conformance/cases.json")))
  var ran = 0
  var failed = 0
  for one in list.cases {
    ran += 1
    do {
      try runner.run(kind: one.kind, file: one.file)
    } catch {
      failed += 1
      print("FAILED \(one.kind) \(one.file): \(error)")
    }
  }
  if ran != list.count {
    failed += 1
    print("FAILED cases.json: \(list.count) cases are announced, \(ran) are listed")
  }
  print("conformance: \(ran) cases, \(failed) failed")
  return failed == 0 ? 0 : 1
}

do {
  exit(try run())
} catch {
  FileHandle.standardError.write(Data("reelsense-conformance: \(error)\n".utf8))
  exit(2)
}
