#!/bin/sh
# golden.sh - logits, greedy text and gradients of the golden models, through
# the inspection commands and on every device.
. "$(dirname "$0")/lib.sh"

# ids_of MODEL KEY: the prompt of io.json whose number stands under KEY.
ids_of() {
    python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
n = d[sys.argv[2]] if sys.argv[2] in d else int(sys.argv[2])
print(",".join(map(str, d["prompts"][n])))' "$golden/models/$1/io.json" "$2"
}

# tolerance DEVICE: of logits; the files are f32, so 1e-6 is all of double's.
tolerance() {
    if [ "$1" = reference-f64 ]; then echo 1e-6; else echo 1e-4; fi
}

for folder in "$golden"/models/*/; do
    m=$(basename "$folder")
    for device in cpu reference reference-f64; do
        [ "$m" = gpt2 ] || [ "$m" = llama ] || [ "$device" = cpu ] || continue
        ok "$m, $device, logits" "$ARCANE" debug logits "$folder" \
            --ids "$(ids_of "$m" all_logits_prompt)" --out L.st --device $device
        ok "$m, $device, logits" "$compare" logits L.st "$folder/io.json" \
            "$(tolerance $device)"
        ok "$m, $device, greedy" "$ARCANE" run "$folder" -n 24 --greedy --json \
            --ids "$(ids_of "$m" greedy_prompt)" --device $device
        mv out R.json
        ok "$m, $device, greedy" "$compare" greedy R.json "$folder/io.json"
    done
    for k in 0 1 2 3; do
        ok "$m, prompt $k" "$ARCANE" debug logits "$folder" \
            --ids "$(ids_of "$m" $k)" --out L.st
        ok "$m, prompt $k" "$compare" last L.st "$folder/io.json" $k 1e-4
    done
    [ -f "$folder/grads.safetensors" ] || continue
    python3 -c 'import json, sys
json.dump(json.load(open(sys.argv[1]))["train"], open("F.json", "w"))' \
        "$folder/io.json"
    for device in cpu reference reference-f64; do
        ok "$m, $device, gradients" "$ARCANE" debug grads "$folder" \
            --batch F.json --out G.st --device $device
        ok "$m, $device, gradients" "$compare" grads G.st \
            "$folder/grads.safetensors" "$folder/io.json" 1e-4
    done
done
finish
