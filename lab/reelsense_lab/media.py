"""Makes the media that the lab's servers serve: clips, films, live tracks, photos, audio, text and files.

Everything is drawn from a seed, made once by ffmpeg and kept in a cache folder named by the digest of its recipe.
Short *scenes* are encoded once at every rung of the ladder, with noise over the picture so that they weigh what real
ones do; clips and films are scenes strung together by stream copy, so that an hour of video costs a minute of encoding.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Subset = Literal["ci", "full"]
Progress = Callable[[str], None]

RECIPE_VERSION = 7
SEED = 20_264
FRAME_RATE = 30
KEYFRAME_S = 2
SEGMENT_S = 2  # of the segments that brisk fetches one by one
ABR_SEGMENT_S = 4  # of the HLS and DASH ladders
LIVE_CHUNK_S = 0.2
JOBS = 2
AVATARS = 24
SOUND_S = 300
CODECS = {"h264": "avc1.4d401f, mp4a.40.2", "vp9": "vp09.00.31.08, mp4a.40.2"}
AUDIO_CODECS = "mp4a.40.2"
# rung → size and mean rate; the name is the short side
PORTRAIT = {270: ("270x480", 450), 360: ("360x640", 850), 540: ("540x960", 1700), 720: ("720x1280", 3000)}
LANDSCAPE = {240: ("426x240", 350), 360: ("640x360", 800), 480: ("854x480", 1500), 720: ("1280x720", 3000)}
TALL = {1080: ("1080x1920", 5500)}
SOURCES = (
    "testsrc2=size={size}:rate={rate}",
    "gradients=size={size}:rate={rate}:speed=0.02:seed={seed}",
    "life=size=270x480:rate={rate}:mold=12:life_color=#20d0a0:death_color=#c04020:seed={seed},scale={size}",
    "cellauto=size=270x480:rate={rate}:seed={seed},scale={size}",
)
PHOTO_SIZES = {"thumb": "320:400", "feed": "1080:1350", "full": "1600:2000"}
TRACKS = ((64, 10), (96, 6), (128, 4), (256, 4))  # kbit/s and seconds of a segment, for each music track
FILE_MB = {"ci": (2, 5, 10), "full": (2, 5, 10, 20, 40)}


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of everything a subset holds."""

    portrait_scenes: int
    sharp_scenes: int  # of those, also at 720
    tall_scenes: int  # of those, also at 1080
    landscape_scenes: int
    clips: int
    vp9_clips: int
    films: int
    film_s: tuple[int, int]
    clip_s: tuple[int, int]
    photos: int
    texts: int
    audio_s: int
    live_s: int


AMOUNTS: dict[str, Amounts] = {
    "ci": Amounts(4, 0, 0, 2, 4, 1, 1, (20, 28), (6, 16), 10, 8, 60, 16),
    "full": Amounts(16, 5, 2, 10, 36, 4, 5, (90, 170), (5, 60), 72, 24, 240, 40),
}


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    seconds: int
    rungs: dict[int, tuple[str, int]]
    rate_factor: float
    noise: int
    source: int
    seed: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A portrait clip or a landscape film: scenes in order, at the rungs that all of them have."""

    name: str
    codec: str
    scenes: tuple[str, ...]
    seconds: int
    rungs: tuple[int, ...]
    sound_at_s: int


@dataclass(frozen=True, slots=True)
class Recipe:
    subset: str
    scenes: tuple[Scene, ...]
    clips: tuple[Clip, ...]
    films: tuple[Clip, ...]


def _scene(rng: random.Random, name: str, number: int, rungs: dict[int, tuple[str, int]]) -> Scene:
    return Scene(
        name,
        rng.choice((2, 4, 4, 6)),
        rungs,
        round(rng.uniform(0.5, 1.5), 2),
        rng.randint(4, 15),
        number % len(SOURCES),
        rng.randrange(1, 100_000),
    )


def _strung(rng: random.Random, name: str, pool: list[Scene], wanted_s: int, codec: str = "h264") -> Clip:
    picked = [rng.choice(pool)]
    while sum(scene.seconds for scene in picked) < wanted_s:
        picked.append(rng.choice(pool))
    rungs = tuple(sorted(set.intersection(*(set(scene.rungs) for scene in picked))))
    seconds = sum(scene.seconds for scene in picked)
    return Clip(name, codec, tuple(scene.name for scene in picked), seconds, rungs, rng.randrange(0, SOUND_S - 180))


def recipe(subset: str) -> Recipe:
    """What `subset` consists of; the same for the same seed and version."""
    amounts = AMOUNTS[subset]
    rng = random.Random(f"{SEED}-{subset}")
    portrait, landscape = [], []
    for number in range(amounts.portrait_scenes):
        rungs = {rung: PORTRAIT[rung] for rung in (270, 360, 540)}
        if number < amounts.sharp_scenes:
            rungs[720] = PORTRAIT[720]
        if number < amounts.tall_scenes:
            rungs |= TALL
        portrait.append(_scene(rng, f"portrait-{number:02}", number, rungs))
    for number in range(amounts.landscape_scenes):
        landscape.append(_scene(rng, f"landscape-{number:02}", number, LANDSCAPE))
    vp9 = [
        Scene(
            f"vp9-{number:02}",
            4,
            {360: PORTRAIT[360]},
            round(rng.uniform(0.6, 1.6), 2),
            rng.randint(4, 10),
            number % 2,
            7,
        )
        for number in range(amounts.vp9_clips * 2)
    ]
    clips = []
    for number in range(amounts.clips):
        # Short ones are the rule. Some are strung from sharp scenes alone and so have the high rungs too.
        low, high = amounts.clip_s
        wanted_s = round(low + (high - low) * rng.random() ** 2.2)
        sharp = amounts.sharp_scenes > 0 and number % 6 == 5
        tall = amounts.tall_scenes > 0 and number % 18 == 17
        pool = portrait[: amounts.tall_scenes if tall else amounts.sharp_scenes] if sharp else portrait
        clips.append(_strung(rng, f"clip-{number:02}", pool, wanted_s))
    for number in range(amounts.vp9_clips):
        clips.append(_strung(rng, f"clip-{len(clips):02}", vp9[2 * number : 2 * number + 2], 8, "vp9"))
    films = [
        _strung(rng, f"film-{number:02}", landscape, rng.randint(*amounts.film_s)) for number in range(amounts.films)
    ]
    return Recipe(subset, (*portrait, *landscape, *vp9), tuple(clips), tuple(films))


def recipe_digest(subset: str) -> str:
    constants = [RECIPE_VERSION, SEED, SOURCES, PHOTO_SIZES, TRACKS, FILE_MB[subset], asdict(AMOUNTS[subset])]
    text = json.dumps([constants, asdict(recipe(subset))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def ffmpeg(*arguments: str | Path) -> None:
    command = ["nice", "-n", "10", "ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def source_of(number: int, size: str, seed: int) -> str:
    return SOURCES[number].format(size=size, rate=FRAME_RATE, seed=seed)


def make_scene(scene: Scene, folder: Path) -> None:
    """`NAME-RUNG.mp4` for each rung, without sound, cut for stream copy: closed, fixed groups of pictures."""
    vp9 = scene.name.startswith("vp9")
    largest = scene.rungs[max(scene.rungs)][0]
    splits = "".join(f"[s{rung}]" for rung in scene.rungs)
    graph = [
        f"{source_of(scene.source, largest, scene.seed)},hue=h={scene.seed % 360},split={len(scene.rungs)}{splits}"
    ]
    outputs: list[str | Path] = []
    frames = str(KEYFRAME_S * FRAME_RATE)
    for rung, (size, kbit) in scene.rungs.items():
        noise = f"noise=alls={scene.noise}:allf=t:all_seed={scene.seed}"
        graph.append(f"[s{rung}]scale={size.replace('x', ':')},{noise},format=yuv420p[o{rung}]")
        rate = round(kbit * scene.rate_factor)
        limits = ["-maxrate", f"{rate}k", "-bufsize", f"{2 * rate}k", "-g", frames, "-keyint_min", frames]
        coder = (
            ["-c:v", "libvpx-vp9", "-b:v", f"{rate}k", "-deadline", "realtime", "-cpu-used", "8"]
            if vp9
            else ["-c:v", "libx264", "-preset", "superfast", "-profile:v", "main", "-crf", "25", "-sc_threshold", "0"]
        )
        stitchable = [] if vp9 else ["-x264-params", "stitchable=1:open-gop=0"]
        outputs += ["-map", f"[o{rung}]", "-t", str(scene.seconds), *coder, *limits, *stitchable, "-threads", "1"]
        outputs += [folder / f"{scene.name}-{rung}.mp4"]
    ffmpeg("-filter_complex", ";".join(graph), *outputs)


def make_sound(path: Path, seconds: int, kbit: int, seed: int) -> None:
    noise = f"anoisesrc=color=pink:amplitude=0.3:seed={seed},tremolo=f=2:d=0.7"
    ffmpeg("-f", "lavfi", "-i", noise, "-t", str(seconds), "-c:a", "aac", "-b:a", f"{kbit}k", path)


def string_scenes(clip: Clip, rung: int, scenes: Path, sound: Path, target: Path) -> None:
    listing = target.with_suffix(".txt")
    listing.write_text("".join(f"file '{scenes / f'{name}-{rung}.mp4'}'\n" for name in clip.scenes))
    ffmpeg(
        *("-f", "concat", "-safe", "0", "-i", listing, "-ss", str(clip.sound_at_s), "-i", sound),
        *("-map", "0:v", "-map", "1:a", "-c", "copy", "-t", str(clip.seconds), "-movflags", "+faststart", target),
    )
    listing.unlink()


def make_clip(clip: Clip, scenes: Path, sound: Path, folder: Path, film: bool) -> None:
    """One folder: RUNG.mp4 progressive, RUNG-frag.mp4 fragmented, RUNG-seg/ segments, abr/ the HLS and DASH ladder."""
    folder.mkdir(parents=True)
    for rung in clip.rungs:
        whole = folder / f"{rung}.mp4"
        string_scenes(clip, rung, scenes, sound, whole)
        fragments = "frag_keyframe+empty_moov+default_base_moof"
        ffmpeg("-i", whole, "-c", "copy", "-movflags", fragments, folder / f"{rung}-frag.mp4")
        make_segments(whole, folder / f"{rung}-seg", ABR_SEGMENT_S if film else SEGMENT_S)
    if clip.codec == "h264":
        make_ladder([folder / f"{rung}.mp4" for rung in clip.rungs], folder / "abr")
    poster = ["-frames:v", "1", "-q:v", "6", folder / "poster.jpg"]
    ffmpeg("-ss", "1", "-i", folder / f"{min(clip.rungs, key=lambda rung: abs(rung - 540))}.mp4", *poster)


def make_segments(whole: Path, folder: Path, seconds: int) -> None:
    folder.mkdir()
    ffmpeg(
        *("-i", whole, "-c", "copy", "-f", "hls", "-hls_time", str(seconds), "-hls_playlist_type", "vod"),
        *("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"),
        *("-hls_segment_filename", folder / "%03d.m4s", folder / "index.m3u8"),
    )


def make_ladder(wholes: list[Path], folder: Path) -> None:
    folder.mkdir()
    inputs = [word for whole in wholes for word in ("-i", whole)]
    maps = [word for number in range(len(wholes)) for word in ("-map", f"{number}:v")]
    ffmpeg(
        *(*inputs, *maps, "-map", "0:a", "-c", "copy", "-f", "dash", "-seg_duration", str(ABR_SEGMENT_S)),
        *("-use_template", "1", "-use_timeline", "1", "-hls_playlist", "1"),
        *("-adaptation_sets", "id=0,streams=v id=1,streams=a"),
        *("-init_seg_name", "init-$RepresentationID$.m4s", "-media_seg_name", "$RepresentationID$-$Number%03d$.m4s"),
        folder / "manifest.mpd",
    )


def make_live(scenes: list[Scene], amounts: Amounts, source: Path, sound: Path, folder: Path) -> None:
    """Three tracks of one loop in chunks of 0.2 s: `m` muxed, `v0`, `v1` pictures alone, `a` sound alone."""
    folder.mkdir()
    names: list[str] = []
    while (total := sum(scene.seconds for scene in scenes if scene.name in names) * 1) < amounts.live_s:
        names.append(next(scene.name for scene in scenes if scene.name not in names))
    clip = Clip("loop", "h264", tuple(names), total, (360, 540), 0)
    chunks = ["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", str(int(LIVE_CHUNK_S * 1e6))]
    for rung, track in ((360, "v0"), (540, "v1")):
        whole = folder / f"whole-{rung}.mp4"
        string_scenes(clip, rung, source, sound, whole)
        ffmpeg("-i", whole, "-map", "0:v", "-c", "copy", *chunks, folder / f"{track}.mp4")
        ffmpeg("-i", whole, "-c", "copy", *chunks, folder / f"m{track[1]}.mp4")
    ffmpeg("-i", folder / "whole-540.mp4", "-map", "0:a", "-c", "copy", *chunks, folder / "a.mp4")
    for rung in (360, 540):
        (folder / f"whole-{rung}.mp4").unlink()
    (folder / "live.json").write_text(json.dumps({"seconds": total, "chunk_s": LIVE_CHUNK_S}))


def make_photo(number: int, folder: Path) -> None:
    """One picture at thumbnail, feed and full size, from calm to busy, so that sizes spread as in a real feed."""
    rng = random.Random(f"{SEED}-photo-{number}")
    seed = rng.randrange(1, 100_000)
    splits = "".join(f"[{size}]" for size in PHOTO_SIZES)
    graph = [f"{source_of(number % len(SOURCES), '540x960', seed)},hue=h={seed % 360},split={len(PHOTO_SIZES)}{splits}"]
    outputs: list[str | Path] = []
    for name, size in PHOTO_SIZES.items():
        graph.append(f"[{name}]scale={size},noise=alls={rng.randint(3, 20)}:all_seed={seed}[o{name}]")
        quality = str(rng.randint(2, 4) if name == "full" else rng.randint(4, 9))
        outputs += ["-map", f"[o{name}]", "-frames:v", "1", "-q:v", quality, folder / f"{name}-{number:03}.jpg"]
    ffmpeg("-filter_complex", ";".join(graph), *outputs)


def make_avatars(count: int, photos: Path, folder: Path) -> None:
    every = ["-frames:v", str(count), "-vf", "scale=96:96", "-q:v", "6", "-start_number", "0"]
    ffmpeg("-i", photos / "thumb-%03d.jpg", *every, folder / "avatar-%03d.jpg")


def make_audio(amounts: Amounts, folder: Path) -> None:
    for number, (kbit, segment_s) in enumerate(TRACKS):
        whole = folder / f"track-{number}.mp4"
        make_sound(whole, amounts.audio_s, kbit, SEED + number)
        make_segments(whole, folder / f"track-{number}", segment_s)


def make_texts(texts: int, folder: Path) -> None:
    rng = random.Random(SEED)
    words = ["".join(rng.choices("abcdefghijklmnoprstuvw", k=rng.randint(2, 10))) for _ in range(3000)]
    for number in range(texts):
        paragraphs = [" ".join(rng.choices(words, k=rng.randint(40, 160))) for _ in range(rng.randint(6, 40))]
        (folder / f"text-{number:03}.json").write_text(json.dumps({"paragraphs": paragraphs}))


def make_files(subset: str, folder: Path) -> None:
    rng = random.Random(SEED)
    for megabytes in FILE_MB[subset]:
        with (folder / f"bundle-{megabytes}.bin").open("wb") as out:
            for _ in range(megabytes):
                out.write(rng.randbytes(1_000_000))


def index_of(made: Recipe, folder: Path) -> dict[str, Any]:
    """What the pages and the workloads need to know about the media."""

    def described(clip: Clip) -> dict[str, Any]:
        own = folder / "video" / clip.name
        rungs = [
            {
                "rung": rung,
                "bytes": (own / f"{rung}-frag.mp4").stat().st_size,
                "kbit": round((own / f"{rung}.mp4").stat().st_size * 8 / clip.seconds / 1000),
                "segments": len(list((own / f"{rung}-seg").glob("*.m4s"))),
            }
            for rung in clip.rungs
        ]
        return {"name": clip.name, "codec": clip.codec, "seconds": clip.seconds, "rungs": rungs}

    amounts = AMOUNTS[made.subset]
    tracks = [
        {"kbit": kbit, "segment_s": segment_s, "segments": len(list((folder / f"audio/track-{number}").glob("*.m4s")))}
        for number, (kbit, segment_s) in enumerate(TRACKS)
    ]
    return {
        "codecs": CODECS,
        "audio_codecs": AUDIO_CODECS,
        "segment_s": SEGMENT_S,
        "film_segment_s": ABR_SEGMENT_S,
        "clips": [described(clip) for clip in made.clips],
        "films": [described(clip) for clip in made.films],
        "tracks": tracks,
        "photos": amounts.photos,
        "texts": amounts.texts,
        "files_mb": FILE_MB[made.subset],
    }


def load_index(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "www/index.json").read_text())
    return loaded


def _in_parallel(what: str, jobs: Iterable[Callable[[], None]], progress: Progress) -> None:
    listed = list(jobs)
    with ThreadPoolExecutor(JOBS) as pool:
        for done, future in enumerate([pool.submit(job) for job in listed], start=1):
            future.result()
            if done % 8 == 0 or done == len(listed):
                progress(f"making media: {what} {done} of {len(listed)}")


def _make(made: Recipe, folder: Path, progress: Progress) -> None:
    for part in ("video", "www", "image", "files", "audio", "scenes"):
        (folder / part).mkdir(parents=True)
    amounts = AMOUNTS[made.subset]
    scenes, sound, video = folder / "scenes", folder / "scenes/sound.mp4", folder / "video"
    make_sound(sound, SOUND_S, 96, SEED)
    _in_parallel("scene", [lambda s=scene: make_scene(s, scenes) for scene in made.scenes], progress)
    everything = [(clip, False) for clip in made.clips] + [(film, True) for film in made.films]
    _in_parallel(
        "clip", [lambda c=c, f=f: make_clip(c, scenes, sound, video / c.name, f) for c, f in everything], progress
    )
    portrait = [scene for scene in made.scenes if scene.name.startswith("portrait")]
    make_live(portrait, amounts, scenes, sound, folder / "live")
    _in_parallel("photo", [lambda n=n: make_photo(n, folder / "image") for n in range(amounts.photos)], progress)
    progress("making media: audio, text, files")
    make_audio(amounts, folder / "audio")
    make_texts(amounts.texts, folder / "www")
    make_avatars(min(amounts.photos, AVATARS), folder / "image", folder / "www")
    for clip, _ in everything:
        (video / clip.name / "poster.jpg").rename(folder / f"www/{clip.name}.jpg")
    make_files(made.subset, folder / "files")
    (folder / "www/index.json").write_text(json.dumps(index_of(made, folder)))
    shutil.rmtree(scenes)


def ensure(cache: Path, progress: Progress, subset: str = "full") -> Path:
    """The folder with the media of `subset`, made at the first call; callers in other processes wait for it."""
    folder = cache / f"media-{subset}-{recipe_digest(subset)}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            _make(recipe(subset), unfinished, progress)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return folder


if __name__ == "__main__":
    print(ensure(Path(sys.argv[1]), lambda message: print(message, file=sys.stderr, flush=True), sys.argv[2]))
