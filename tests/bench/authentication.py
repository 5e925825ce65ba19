"""What it costs to find the token of a request among 10,000, and what the time betrays (auth.c)."""
import json
import subprocess

from programs import tool

TOKENS = 10000
NOISE = 4.5         # |t| below it: no difference beyond noise


def measure(quick):
    tries = 20000 if quick else 1000000
    found = json.loads(subprocess.run([tool("auth"), str(TOKENS), str(tries)],
                                      check=True, capture_output=True).stdout)
    print(f"\nThe token of a request among {TOKENS:,}, us of processor time: "
          + ", ".join(f"{name} {us:.2f}" for name, us in found["us"].items()))
    print(f"Wrong tokens that begin like a right one against others, {tries:,} tries each "
          f"(|t| < {NOISE}: noise)")
    for name, row in found["timing"].items():
        print(f"  {name:<12} {row['prefix_ns']:8.1f} ns {row['wrong_ns']:8.1f} ns   t {row['t']:.2f}")
    return found
