"""What was measured, from bench/results, as pages."""

import re
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "bench" / "results"
PAGES = {
    "README.md": "measurements.md",
    "cpu.md": "measurements/cpu.md",
    "cpu_avx512.md": "measurements/cpu_avx512.md",
    "cpu_avx2.md": "measurements/cpu_avx2.md",
    "resnet20-cifar10/README.md": "measurements/resnet20-cifar10.md",
    "experiments/full/README.md": "measurements/experiments.md",
}


def pages(language):
    """{name of the file: text, or bytes of a picture}"""
    found = {}
    for source, page in PAGES.items():
        folder = (RESULTS / source).parent
        text = (RESULTS / source).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^):]+)\)", text):
            path = (folder / target).resolve()
            if path.suffix == ".png":
                picture = f"measurements/{path.parent.name}-{path.name}"
                found[picture] = path.read_bytes()
                text = text.replace(f"]({target})", f"](/{picture})")
            elif (inside := path.relative_to(RESULTS).as_posix()) in PAGES:
                text = text.replace(f"]({target})", f"](/{PAGES[inside]})")
            else:  # data, which stays in the repository
                text = re.sub(rf"\[([^]]*)\]\({re.escape(target)}\)", rf"\1 (`bench/results/{inside}`)", text)
        if language == "zh":  # a page of numbers alone, without a catalogue
            text = re.sub(r"^# CPU benchmark, ", "# CPU 基准测试，", text)
        found[page] = text
    contents = "\n".join(page.removesuffix(".md") for page in list(PAGES.values())[1:])
    found["measurements.md"] += f"\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"
    return found
