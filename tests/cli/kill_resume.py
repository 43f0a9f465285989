#!/usr/bin/env python3
"""kill_resume.py - a training run killed at random moments, again and again.

usage: kill_resume.py KILLS SEED FOLDER WANTED train-arguments ...

Starts `$ARCANE train ... --out FOLDER/N`, kills it with SIGKILL after a random
time, looks at what it left, goes on with --resume, and so on.  A run that gets
to its end is compared with the checkpoint folder WANTED, byte for byte, and
another one is begun until there were KILLS kills.
"""
import json
import os
import random
import signal
import subprocess
import sys
import time

ARCANE = os.environ['ARCANE']


def fail(sentence):
    sys.exit('kill_resume: ' + sentence)


def checkpoints(run):
    return sorted(x for x in os.listdir(run) if x.startswith('step-'))


def look(run):
    """Every checkpoint that has its name is whole, and the model can be read."""
    names = checkpoints(run) if os.path.isdir(run) else []
    for name in names:
        with open(os.path.join(run, name, 'state.json')) as f:
            state = json.load(f)
        for file, entry in state['files'].items():
            size = os.path.getsize(os.path.join(run, name, file))
            if size != entry['size']:
                fail(f'{run}/{name}/{file}: {size} bytes, not {entry["size"]}')
    if not os.path.exists(os.path.join(run, 'latest')):
        return
    done = subprocess.run([ARCANE, 'run', run, '--ids', '1', '-n', '1'],
                          capture_output=True)
    if done.returncode:
        fail(f'{run}: unreadable after a kill: {done.stderr.decode()}')


def log_of(run):
    """What the log says, but for the clock."""
    with open(os.path.join(run, 'log.jsonl')) as f:
        lines = [json.loads(line) for line in f]
    for line in lines:
        line.pop('seconds', None)
    return lines


def same(run, wanted):
    last = os.path.join(run, checkpoints(run)[-1])
    if os.path.basename(last) != os.path.basename(wanted):
        fail(f'{run} ended with {last}')
    for file in os.listdir(wanted):
        if not file.endswith('.safetensors'):
            continue
        with open(os.path.join(wanted, file), 'rb') as a, \
                open(os.path.join(last, file), 'rb') as b:
            if a.read() != b.read():
                fail(f'{last}/{file} differs from the uninterrupted run')
    if log_of(run) != log_of(os.path.dirname(wanted)):
        fail(f'{run}/log.jsonl differs from the uninterrupted run')


def command(run, arguments):
    if os.path.exists(os.path.join(run, 'settings.json')):
        return [ARCANE, 'train', '--out', run, '--resume']
    return [ARCANE, 'train', '--out', run] + arguments


def attempt(run, arguments, seconds):
    """One start, killed after so many seconds; was it killed?"""
    p = subprocess.Popen(command(run, arguments), stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE)
    try:
        p.wait(seconds)
    except subprocess.TimeoutExpired:
        p.kill()
    said = p.communicate()[1].decode()
    if p.returncode not in (0, -signal.SIGKILL):
        fail(f'{run}: exit code {p.returncode}: {said}')
    if 'passed over' in said:
        fail(f'{run}: {said}')
    return p.returncode != 0


def main():
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    kills, seed, folder, wanted = (int(sys.argv[1]), int(sys.argv[2]),
                                   sys.argv[3], sys.argv[4])
    arguments = sys.argv[5:]
    chance, killed, runs, longest = random.Random(seed), 0, 0, 0.3
    while killed < kills:
        run = os.path.join(folder, str(runs))
        begin = time.monotonic()
        while killed < kills and attempt(run, arguments,
                                         chance.uniform(0, longest)):
            killed += 1
            look(run)
        while attempt(run, arguments, 600):
            pass
        longest = max(0.1, (time.monotonic() - begin) / 12)
        same(run, wanted)
        runs += 1
    print(f'{killed} kills in {runs} runs')


main()
