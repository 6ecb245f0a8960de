"""`reelsense model`, `reelsense version` and what is made from the command line's definitions."""

import json
import shutil
import subprocess
import unittest

from support import SOURCE, CliTest, run


class ModelCommands(CliTest):
    def model(self, *arguments, **options):
        return run("model", *arguments, "--models-dir", self.models, **options)

    def test_list_is_by_falling_version(self):
        self.write_bundle(version="1.10.0")
        self.write_bundle(version="1.9.0")
        listed = json.loads(self.model("list", "--json").stdout)
        self.assertEqual([m["version"] for m in listed], ["1.10.0", "1.9.0", "1.0.0"])
        self.assertIn("1.10.0", self.model("list").stdout.decode())

    def test_inspect_tells_what_the_model_reads(self):
        told = json.loads(self.model("inspect", "tiny-ue", "--json").stdout)
        self.assertEqual((told["name"], told["kind"], told["features"]), ("tiny-ue", "linear", ["down_bytes_log2"]))
        self.assertEqual(told["manifest"]["metrics"], {"worst_cell": 0.5})
        self.assertIn("threshold", self.model("inspect", self.bundle).stdout.decode())

    def test_verify_says_ok_or_every_problem(self):
        self.assert_exit(self.model("verify", "tiny-ue"), 0)
        (self.bundle / "extra.txt").write_text("?")
        (self.bundle / "model.onnx").write_bytes(self.onnx()[:-1])
        done = self.model("verify", "tiny-ue@1.0.0")
        self.assert_exit(done, 2)
        text = done.stdout.decode()
        self.assertIn("FAILED  model.onnx: SHA-256", text)
        self.assertIn("FAILED  extra.txt: listed", text)

    def test_folder_with_another_name_fails_verification(self):
        other = self.folder / "other" / "1.0.0"
        other.parent.mkdir()
        shutil.copytree(self.bundle, other)
        done = self.model("verify", other)
        self.assert_exit(done, 2)
        self.assertIn("tiny-ue/1.0.0", done.stderr.decode())

    def test_models_path_comes_from_the_environment(self):
        done = run("model", "list", "--json", env={"REELSENSE_MODELS": f"/nonexistent:{self.models}"})
        self.assertEqual([m["name"] for m in json.loads(done.stdout)], ["tiny-ue"])


class Version(CliTest):
    def test_version_names_schema_model_and_compiler(self):
        done = run("version", "--models-dir", self.models)
        self.assert_exit(done, 0)
        text = done.stdout.decode()
        for word in ("reelsense ", self.schema_hash, "compiler"):
            self.assertIn(word, text)


class Generated(CliTest):
    def expect_current(self, path, *command):
        made = run(*command)
        self.assert_exit(made, 0)
        committed = (SOURCE / path).read_bytes() if (SOURCE / path).exists() else b""
        self.assertEqual(
            committed == made.stdout, True,
            f"{path} is out of date; update it with: build/dev/bin/reelsense {' '.join(command)} > {path}",
        )  # fmt: skip

    def test_cli_reference_is_current(self):
        self.expect_current("docs/reference/cli.md", "generate", "cli-md")

    def test_feature_reference_is_current(self):
        self.expect_current("docs/reference/features.md", "features", "--describe", "--format", "markdown")

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_man_page_has_no_troff_warnings(self):
        page = self.write("reelsense.1", run("generate", "man").stdout)
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def complete(self, *words):
        script = self.write("completion.bash", run("completion", "bash").stdout)
        line = " ".join(f"'{w}'" for w in ("reelsense", *words))
        code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _reelsense; "
        code += "printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", code], capture_output=True, timeout=60)
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode().split()

    def test_bash_completes_commands_options_and_choices(self):
        self.assertIn("classify", self.complete("c"))
        self.assertEqual(self.complete("classify", "--rib"), ["--ribbon"])
        self.assertEqual(self.complete("classify", "--format", "j"), ["jsonl"])
        self.assertEqual(self.complete("model", "ver"), ["verify"])
        self.assertNotIn("generate", self.complete(""))

    def test_other_shells_parse_theirs(self):
        for shell in ("zsh", "fish"):
            script = self.write(f"completion.{shell}", run("completion", shell).stdout)
            self.assertIn(b"classify", script.read_bytes())
            if shutil.which(shell):
                subprocess.run([shell, "-n", script], check=True, timeout=60)


if __name__ == "__main__":
    unittest.main()
