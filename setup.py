"""All else stands in setup.cfg, which cannot say that the tutorials, at the top of the repository, come along."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["minires*"]), "minires.tutorials"], package_dir={"minires.tutorials": "tutorials"}
)
