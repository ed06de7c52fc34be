"""records.check finds every kind of fault. Run: python3 tests/compat/records_test.py"""

import pathlib
import tempfile
import unittest

import records


def _answered(batch):
    """Returns the batch as a faithful server would give it back, partition by partition."""
    offsets, out = {}, []
    for record in batch:
        offset = offsets.get(record["partition"], 0)
        offsets[record["partition"]] = offset + 1
        out.append(dict(record, offset=offset))
    return sorted(out, key=lambda r: r["partition"])


class CheckTest(unittest.TestCase):
    """One test per contract sentence of records.check."""

    def setUp(self):
        self.batch = records.binary_records("t", 60, 3)
        self.answer = _answered(self.batch)

    def test_a_faithful_answer_has_no_fault(self):
        self.assertIsNone(records.check(self.answer, self.batch))

    def test_a_lost_record_is_found(self):
        self.assertIn("59 of 60", records.check(self.answer[:-1], self.batch))

    def test_a_repeated_record_is_found(self):
        self.assertIn("twice", records.check(self.answer + self.answer[-1:], self.batch))

    def test_an_unexpected_record_is_found(self):
        stranger = dict(self.answer[0], key=b"other")
        self.assertIn("unexpected", records.check([stranger], self.batch))

    def test_a_changed_byte_is_found(self):
        self.answer[0] = dict(self.answer[0], value=self.answer[0]["value"] + b"x")
        self.assertIn("value differs", records.check(self.answer, self.batch))

    def test_null_is_not_empty(self):
        where = next(i for i, r in enumerate(self.answer) if r["value"] is None)
        self.answer[where] = dict(self.answer[where], value=b"")
        self.assertIn("value differs", records.check(self.answer, self.batch))

    def test_a_lost_header_is_found(self):
        where = next(i for i, r in enumerate(self.answer) if r["headers"])
        self.answer[where] = dict(self.answer[where], headers=[])
        self.assertIn("headers differ", records.check(self.answer, self.batch))

    def test_the_wrong_partition_is_found(self):
        self.answer[0] = dict(self.answer[0], partition=2)
        self.assertIn("wrong partition", records.check(self.answer, self.batch))

    def test_records_out_of_order_are_found(self):
        first, second = self.answer[0], self.answer[1]
        self.answer[:2] = [second, first]
        self.assertIn("out of order", records.check(self.answer, self.batch))

    def test_offsets_against_the_order_of_production_are_found(self):
        first, second = self.answer[0], self.answer[1]
        self.answer[:2] = [dict(second, offset=0), dict(first, offset=1)]
        self.assertIn("out of order", records.check(self.answer, self.batch))

    def test_files_keep_every_byte(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "records"
            records.save(self.batch, path)
            self.assertEqual(records.load(path), self.batch)


if __name__ == "__main__":
    unittest.main()
