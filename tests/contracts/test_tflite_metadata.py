"""What a TFLite file says of itself, judged by MediaPipe Tasks, zipfile and LiteRT's own schema."""

import zipfile

import numpy as np
import pytest

from mobilenets.base.errors import ExportError
from mobilenets.exporters import metadata
from mobilenets.runtimes import open_session, parse_target


@pytest.mark.parametrize("exported", ["litert"], indirect=True)
class TestTheFile:
    """All on the one file that the contracts run on."""

    def test_mediapipes_classifier_opens_it_and_gives_the_right_names(self, exported, subject):
        mediapipe = pytest.importorskip("mediapipe")
        from mediapipe.tasks.python import BaseOptions, vision

        labels = subject.card.labels
        base = BaseOptions(model_asset_path=str(exported.path))
        options = vision.ImageClassifierOptions(base_options=base, max_results=len(labels))
        wanted = open_session(exported.path, parse_target("litert:cpu:1")).run(subject.pixels)
        assert len(set(wanted.argmax(axis=1))) >= 3, "one name for all images would prove little"
        with vision.ImageClassifier.create_from_options(options) as classifier:
            for pixels, row in zip(subject.pixels, wanted, strict=True):
                image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels.copy())
                found = classifier.classify(image).classifications[0].categories
                assert found[0].index == row.argmax()
                assert sorted(category.index for category in found) == list(range(len(labels)))
                for category in found:
                    assert category.category_name == labels[category.index]
                    assert category.score == pytest.approx(row[category.index], abs=1e-4)

    def test_the_labels_can_be_unpacked(self, exported, subject):
        with zipfile.ZipFile(exported.path) as archive:
            assert archive.namelist() == ["labels.txt"]
            assert archive.getinfo("labels.txt").compress_type == zipfile.ZIP_STORED
            assert archive.read("labels.txt").decode().splitlines() == list(subject.card.labels)

    def test_weights_stay_aligned_and_whole(self, exported):
        from ai_edge_litert import schema_py_generated as schema

        content = np.fromfile(exported.path, np.uint8)
        model = schema.Model.GetRootAs(content)
        start = content.__array_interface__["data"][0]
        sizes = []
        for index in range(model.BuffersLength()):
            buffer = model.Buffers(index)
            if not buffer.DataIsNone() and buffer.DataLength():
                offset = buffer.DataAsNumpy().__array_interface__["data"][0] - start
                assert offset % 16 == 0
                sizes.append(buffer.DataLength())
        assert len(sizes) > 50

    def test_the_graph_spends_one_pass_on_normalising_and_has_no_transpose(self, exported):
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(exported.path.read_bytes()))
        names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
        ops = [names[model.operatorCodes[op.opcodeIndex].builtinCode] for op in model.subgraphs[0].operators]
        assert ops[0] == "SUB"
        assert ops[-1] == "SOFTMAX"
        assert ops[1:3] == ["PAD", "CONV_2D"]
        assert not {"TRANSPOSE", "RESHAPE", "BATCH_MATMUL", "DIV"} & set(ops)

    def test_stamping_twice_gives_the_same_file(self, exported, subject):
        content = exported.path.read_bytes()
        once = metadata.stamped(content, subject.card)
        assert metadata.stamped(once, subject.card) == once
        assert len(once) == len(content)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, bytes(64)])
def test_what_is_no_model_cannot_be_stamped(content, subject):
    with pytest.raises(ExportError, match="cannot be written"):
        metadata.stamped(content, subject.card)


def test_one_line_per_label_whatever_is_in_it():
    labels = ("plain", "two\nlines", "", "crane", "crane", "止まれ", "a\r\nb")
    lines = metadata.label_lines(labels)
    assert lines.count("\n") == len(labels)
    assert lines.split("\n")[1] == "two lines"
    assert lines.split("\n")[5] == "止まれ"
