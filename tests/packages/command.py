"""What the steps of packages.py share."""
import subprocess
import sys


def say(text):
    print(f"== packages: {text}", flush=True)


def run(*words, **options):
    """The standard output; a failure ends the test with all that was said."""
    options.setdefault("check", False)
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"{done.stdout[-6000:]}\n== packages: failed with {done.returncode}: {' '.join(words)}")
    return done.stdout
