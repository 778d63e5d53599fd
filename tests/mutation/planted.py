"""A plugin of pytest (-p tests.mutation.planted): plants the mutant of the environment before anything is imported."""

import os

import orjson

from tests.simulator.mutants.planting import Mutant, plant

VARIABLE = "FIELDMERGE_MUTANT"

if told := os.environ.get(VARIABLE):
    plant(Mutant(**orjson.loads(told)))
