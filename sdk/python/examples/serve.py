"""The edge server's contract for the device tier's models: python serve.py [PORT]

Needs reelsense[fastapi] and uvicorn. With keys: REELSENSE_KEY=rs_… python serve.py
"""

from __future__ import annotations

import os
import sys

import uvicorn

from reelsense.fastapi import create_app

key = os.environ.get("REELSENSE_KEY")
app = create_app(api_keys={key: ["infer"]} if key else None)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080, log_level="warning")
