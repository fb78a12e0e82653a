"""What the services' command lines share: one door, the types of options, tables, ages and progress."""

from telemetry.chassis.cli.options import DURATION, MOMENT, TEXT, Text, json_option
from telemetry.chassis.cli.output import (
    discard_standard_output,
    print_at_once,
    print_json,
    say,
)
from telemetry.chassis.cli.program import INTERRUPTED, MISUSE, Failed, Program, run_program

__all__ = [
    "DURATION",
    "INTERRUPTED",
    "MISUSE",
    "MOMENT",
    "TEXT",
    "Failed",
    "Program",
    "Text",
    "discard_standard_output",
    "json_option",
    "print_at_once",
    "print_json",
    "run_program",
    "say",
]
