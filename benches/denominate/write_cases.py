"""Write the named cases to `cases.json`, for the Rust benches.

python benches/denominate/write_cases.py
"""

import json
from dataclasses import asdict
from pathlib import Path

from xfs4iot.comparison.cases import CASES

Path(__file__).with_name("cases.json").write_text(
    json.dumps([asdict(case) for case in CASES], indent=1) + "\n"
)
