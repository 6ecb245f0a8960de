"""`reelsense classify --truth`: labels held against a lab truth."""

import csv
import io
import json
import unittest

from support import CliTest, chat, download, pcap


class Truth(CliTest):
    """The test bundle calls a window video from about 4 kB down: a download is, a chat is not."""

    def setUp(self):
        super().setUp()
        self.capture = self.write("trace.pcap", pcap(sorted(download(0, 5) + chat(0, 5), key=lambda p: p[0])))
        self.labels = self.rows(self.classify(self.capture))

    def write_truth(self, change=lambda rows: rows):
        text = io.StringIO()
        columns = ["label", "time", "client_ip", "client_port", "server_ip", "server_port", "protocol", "class"]
        writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="x", lineterminator="\n")
        writer.writeheader()
        writer.writerows(change([dict(row) for row in self.labels]))
        return self.write("truth.csv", text.getvalue().encode())

    def compare(self, truth):
        done = self.classify(self.capture, "--truth", truth, "--summary=json")
        self.assert_exit(done, 0)
        return json.loads(done.stderr)["truth"]

    def test_equal_labels_are_all_right(self):
        found = self.compare(self.write_truth())
        self.assertEqual((found["windows_not_in_truth"], found["truth_not_met"]), (0, 0))
        self.assertEqual(found["all"], {"video_windows": 5, "non_video_windows": 5, "recall": 1.0,
                                        "specificity": 1.0, "f1": 1.0})  # fmt: skip
        self.assertEqual((found["active"]["video_windows"], found["active"]["non_video_windows"]), (5, 0))

    def test_wrong_labels_lower_the_figures(self):
        def turn(rows):
            videos = [row for row in rows if row["label"] == "video"]
            for row in videos[:2]:
                row["label"] = "non-video"
            return rows

        found = self.compare(self.write_truth(turn))
        self.assertEqual(found["active"], {"video_windows": 3, "non_video_windows": 2, "recall": 1.0,
                                           "specificity": 0.0, "f1": 0.75})  # fmt: skip

    def test_windows_that_only_one_side_has_are_counted(self):
        def replace(rows):
            return [*rows[3:], {**rows[0], "client_port": "1"}]

        found = self.compare(self.write_truth(replace))
        self.assertEqual((found["windows_not_in_truth"], found["truth_not_met"]), (3, 1))

    def test_text_report(self):
        done = self.classify(self.capture, "--truth", self.write_truth())
        self.assertIn(b"active    video found 100.0 % of 5, non-video found no windows, F1 1.000", done.stderr)

    def test_bad_truth_is_told(self):
        cases = {
            b"": b"line 1: no column time",
            b"time,label\n": b"line 1: no column client_ip",
            self.write_truth().read_bytes() + b"video,1\n": b"2 fields, the header has 8",
            self.write_truth(lambda rows: [{**rows[0], "label": "film"}]).read_bytes(): b"label 'film'",
            self.write_truth(lambda rows: [rows[0], rows[0]]).read_bytes(): b"was there before",
        }
        for content, message in cases.items():
            with self.subTest(message=message):
                done = self.classify(self.capture, "--truth", self.write("bad.csv", content))
                self.assert_exit(done, 2)
                self.assertIn(message, done.stderr)
        self.assert_exit(self.classify(self.capture, "--truth", self.folder / "none.csv"), 2)


if __name__ == "__main__":
    unittest.main()
