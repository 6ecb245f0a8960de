"""The media: the recipe is fixed by its seed, and what ffmpeg makes of it is what the players expect."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from reelsense_lab import media

SUBSETS = ("ci", "full")
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg (lab/setup installs it)")


@pytest.mark.parametrize("subset", SUBSETS)
def test_Recipe_SameSubset_SameDigest(subset: str) -> None:
    assert media.recipe_digest(subset) == media.recipe_digest(subset)
    assert media.recipe(subset) == media.recipe(subset)


def test_Recipe_Subsets_DifferInDigest() -> None:
    assert media.recipe_digest("ci") != media.recipe_digest("full")


@pytest.mark.parametrize("subset", SUBSETS)
def test_Recipe_Clips_HaveRungsOfAllTheirScenesAndWholeSegments(subset: str) -> None:
    recipe = media.recipe(subset)
    scenes = {scene.name: scene for scene in recipe.scenes}
    for clip in (*recipe.clips, *recipe.films):
        assert clip.rungs
        assert clip.seconds % media.KEYFRAME_S == 0
        assert clip.seconds == sum(scenes[name].seconds for name in clip.scenes)
        assert all(set(clip.rungs) <= set(scenes[name].rungs) for name in clip.scenes)
        assert clip.sound_at_s + clip.seconds <= media.SOUND_S


def test_Recipe_Full_CoversTheRangesOfRealClips() -> None:
    recipe = media.recipe("full")
    seconds = [clip.seconds for clip in recipe.clips]
    rungs = {rung for clip in (*recipe.clips, *recipe.films) for rung in clip.rungs}
    assert min(seconds) <= 8
    assert max(seconds) >= 40
    assert {240, 270, 360, 480, 540, 720, 1080} <= rungs
    assert {clip.codec for clip in recipe.clips} == {"h264", "vp9"}


def test_Ensure_MediaThere_MakesNothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / f"media-ci-{media.recipe_digest('ci')}"
    folder.mkdir()
    monkeypatch.setattr(media, "_make", lambda *_: pytest.fail("made again"))
    assert media.ensure(tmp_path, print, "ci") == folder


def test_Ensure_MakingFails_LeavesNothingHalfMade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_recipe: media.Recipe, folder: Path, _progress: media.Progress) -> None:
        (folder / "video").mkdir(parents=True)
        raise RuntimeError("no encoder")

    monkeypatch.setattr(media, "_make", fail)
    with pytest.raises(RuntimeError, match="no encoder"):
        media.ensure(tmp_path, print, "ci")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def seconds_of(path: Path) -> float:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@needs_ffmpeg
def test_MakeClip_TwoScenes_GivesWholeFragmentsSegmentsAndLadder(tmp_path: Path) -> None:
    rungs = {90: ("90x160", 60), 120: ("120x214", 90)}
    scenes = [media.Scene(f"portrait-{number}", 2, rungs, 1.0, 8, number, 5) for number in range(2)]
    for scene in scenes:
        media.make_scene(scene, tmp_path)
    sound = tmp_path / "sound.mp4"
    media.make_sound(sound, 8, 64, 1)
    clip = media.Clip("clip-00", "h264", ("portrait-0", "portrait-1", "portrait-0"), 6, (90, 120), 1)
    media.make_clip(clip, tmp_path, sound, tmp_path / "clip-00", film=False)
    made = tmp_path / "clip-00"
    for rung in clip.rungs:
        assert seconds_of(made / f"{rung}.mp4") == pytest.approx(6, abs=0.1)
        assert seconds_of(made / f"{rung}-frag.mp4") == pytest.approx(6, abs=0.1)
        assert len(list((made / f"{rung}-seg").glob("*.m4s"))) == 3
        whole = (made / f"{rung}.mp4").read_bytes()
        assert whole.index(b"moov") < whole.index(b"mdat")  # starts to play before it has all arrived
    playlist = (made / "abr/master.m3u8").read_text()
    assert playlist.count("#EXT-X-STREAM-INF") == 2
    assert (made / "abr/manifest.mpd").read_text().count("<Representation") == 3
    assert (made / "poster.jpg").stat().st_size > 100


@needs_ffmpeg
def test_MakePhoto_OneNumber_GivesThreeSizes(tmp_path: Path) -> None:
    media.make_photo(3, tmp_path)
    sizes = {path.name.split("-")[0]: path.stat().st_size for path in tmp_path.glob("*.jpg")}
    assert set(sizes) == set(media.PHOTO_SIZES)
    assert sizes["thumb"] < sizes["full"]
