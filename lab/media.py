"""Makes the media that the lab's servers serve: clips, photos, music, text and a file to download.

Everything is drawn from a seed, made once by ffmpeg and kept in a cache folder named by the digest of its
recipe. Noise over the pictures makes the encoder work, so that clips and photos weigh what real ones do.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

RECIPE_VERSION = 4
SEED = 20_260
FRAME_RATE = 30
CLIP_SIZE = "540x960"
PHOTO_SIZE = "1080x1350"
SEGMENT_S = 2
MUSIC_S, MUSIC_SEGMENT_S = 120, 4
PHOTOS, AVATARS, TEXTS = 64, 24, 24
DOWNLOAD_BYTES = 7_000_000
CODECS = "avc1.4d401f, mp4a.40.2"
MUSIC_CODECS = "mp4a.40.2"
CLIPS = 14
SOURCES = (
    "testsrc2=size={size}:rate={rate}",
    "gradients=size={size}:rate={rate}:speed=0.02:seed={seed}",
    "life=size=270x480:rate={rate}:mold=12:life_color=#20d0a0:death_color=#c04020:seed={seed},scale={size}",
    "cellauto=size=270x480:rate={rate}:seed={seed},scale={size}",
)


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    seconds: int
    max_kbit: int
    source: int
    calm_noise: int
    busy_noise: int
    seed: int


def clips() -> list[Clip]:
    rng = random.Random(SEED)
    return [
        Clip(
            name=f"clip-{number:02}",
            seconds=rng.choice((9, 11, 12, 14, 16, 20)),
            max_kbit=rng.randrange(1100, 2600, 100),
            source=number % len(SOURCES),
            calm_noise=rng.randint(5, 8),
            busy_noise=rng.randint(9, 15),
            seed=rng.randrange(1, 100_000),
        )
        for number in range(CLIPS)
    ]


def ffmpeg(*arguments: str) -> None:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True)


def source_of(number: int, size: str, seed: int) -> str:
    return SOURCES[number].format(size=size, rate=FRAME_RATE, seed=seed)


def make_clip(clip: Clip, folder: Path) -> None:
    """`clip-NN.mp4` for progressive play and `clip-NN/` with the same coded pictures as fMP4 segments."""
    third = clip.seconds / 3
    picture = (
        f"{source_of(clip.source, CLIP_SIZE, clip.seed)},hue=h={clip.seed % 360},scroll=vertical=0.004,"
        f"noise=alls={clip.calm_noise}:allf=t:all_seed={clip.seed},"
        f"noise=alls={clip.busy_noise}:allf=t:all_seed={clip.seed + 1}:"
        f"enable='between(t,{third:.2f},{2 * third:.2f})',format=yuv420p"
    )
    whole = folder / f"{clip.name}.mp4"
    keyframe = str(SEGMENT_S * FRAME_RATE)
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        picture,
        "-f",
        "lavfi",
        "-i",
        f"anoisesrc=color=pink:amplitude=0.2:seed={clip.seed}",
        "-t",
        str(clip.seconds),
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-profile:v",
        "main",
        "-level",
        "3.1",
        "-crf",
        "25",
        "-maxrate",
        f"{clip.max_kbit}k",
        "-bufsize",
        f"{2 * clip.max_kbit}k",
        "-g",
        keyframe,
        "-keyint_min",
        keyframe,
        "-sc_threshold",
        "0",
        "-threads",
        "2",
        "-c:a",
        "aac",
        "-b:a",
        "96k",
        "-movflags",
        "+faststart",
        str(whole),
    )
    segments = folder / clip.name
    segments.mkdir()
    make_segments(whole, segments, SEGMENT_S)


def make_segments(whole: Path, folder: Path, seconds: int) -> None:
    ffmpeg(
        "-i",
        str(whole),
        "-c",
        "copy",
        "-f",
        "hls",
        "-hls_time",
        str(seconds),
        "-hls_playlist_type",
        "vod",
        "-hls_segment_type",
        "fmp4",
        "-hls_fmp4_init_filename",
        "init.mp4",
        "-hls_segment_filename",
        str(folder / "%03d.m4s"),
        str(folder / "index.m3u8"),
    )


def make_photos(folder: Path) -> None:
    """Photos at feed size, from calm to busy, so that sizes spread as in a real feed; and the avatars."""
    rng = random.Random(SEED)
    for number in range(PHOTOS):
        seed = rng.randrange(1, 100_000)
        picture = (
            f"{source_of(number % len(SOURCES), CLIP_SIZE, seed)},scale={PHOTO_SIZE},hue=h={seed % 360},"
            f"noise=alls={rng.randint(1, 12)}:all_seed={seed}"
        )
        ffmpeg(
            "-f",
            "lavfi",
            "-i",
            picture,
            "-frames:v",
            "1",
            "-q:v",
            str(rng.randint(4, 10)),
            str(folder / f"photo-{number:03}.jpg"),
        )
    ffmpeg(
        "-i",
        str(folder / "photo-%03d.jpg"),
        "-frames:v",
        str(AVATARS),
        "-vf",
        "scale=160:160",
        "-q:v",
        "2",
        "-start_number",
        "0",
        str(folder / "avatar-%03d.jpg"),
    )


def make_posters(reels: Path, folder: Path) -> None:
    for whole in sorted(reels.glob("*.mp4")):
        ffmpeg("-i", str(whole), "-frames:v", "1", "-q:v", "6", str(folder / f"{whole.stem}.jpg"))


def make_music(folder: Path) -> None:
    whole = folder / "track.mp4"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        f"anoisesrc=color=brown:amplitude=0.4:seed={SEED},tremolo=f=2:d=0.7",
        "-t",
        str(MUSIC_S),
        "-c:a",
        "aac",
        "-b:a",
        "128k",
        str(whole),
    )
    (folder / "track").mkdir()
    make_segments(whole, folder / "track", MUSIC_SEGMENT_S)


def make_texts(folder: Path) -> None:
    rng = random.Random(SEED)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(2, 10))) for _ in range(3000)]
    for number in range(TEXTS):
        paragraphs = [" ".join(rng.choices(words, k=rng.randint(40, 160))) for _ in range(rng.randint(6, 40))]
        (folder / f"text-{number:03}.json").write_text(json.dumps({"paragraphs": paragraphs}))


def index_of(folder: Path) -> dict[str, object]:
    """What the pages need to know: each clip with its length and number of segments."""
    return {
        "codecs": CODECS,
        "music_codecs": MUSIC_CODECS,
        "segment_s": SEGMENT_S,
        "music": {
            "name": "track",
            "segments": len(list((folder / "audio/track").glob("*.m4s"))),
            "segment_s": MUSIC_SEGMENT_S,
        },
        "clips": [
            {
                "name": clip.name,
                "seconds": clip.seconds,
                "kbit": round((folder / f"reels/{clip.name}.mp4").stat().st_size * 8 / clip.seconds / 1000),
                "segments": len(list((folder / f"reels/{clip.name}").glob("*.m4s"))),
            }
            for clip in clips()
        ],
        "photos": PHOTOS,
        "avatars": AVATARS,
        "texts": TEXTS,
    }


def recipe_digest() -> str:
    recipe = json.dumps([RECIPE_VERSION, SEED, SOURCES, DOWNLOAD_BYTES, [asdict(clip) for clip in clips()]])
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def ensure(cache: Path, progress: Callable[[str], None]) -> Path:
    """The folder with all media, made at the first call. Sub-folders: reels, www, files, audio."""
    folder = cache / f"media-{recipe_digest()}"
    if folder.exists():
        return folder
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in ("reels", "www", "files", "audio"):
        (unfinished / part).mkdir(parents=True)
    try:
        for number, clip in enumerate(clips(), start=1):
            progress(f"making media: clip {number} of {CLIPS} ({clip.seconds} s)")
            make_clip(clip, unfinished / "reels")
        progress("making media: photos, music, text, download")
        make_photos(unfinished / "www")
        make_posters(unfinished / "reels", unfinished / "www")
        make_music(unfinished / "audio")
        make_texts(unfinished / "www")
        (unfinished / "files/bundle.bin").write_bytes(random.Random(SEED).randbytes(DOWNLOAD_BYTES))
        (unfinished / "www/index.json").write_text(json.dumps(index_of(unfinished)))
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


if __name__ == "__main__":
    print(ensure(Path(sys.argv[1]), lambda message: print(message, file=sys.stderr)))
