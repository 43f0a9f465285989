#!/bin/sh
# chat_terminal.sh - conversations in a terminal: see chat_terminal.py.
. "$(dirname "$0")/lib.sh"
limited python3 "$tests/chat_terminal.py" "$golden/gguf/qwen3_q8_0.gguf"
