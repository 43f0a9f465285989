#!/usr/bin/env python3
"""template_cases.py - renders templates with Python's jinja2, as chat templates are rendered, for tests/tok.

usage: tools/golden/template_cases.py > tests/golden/chat/own_cases.json
Needs jinja2 3.1.  strftime_now is pinned to 2025-03-09 14:05:07."""
import datetime, json, sys
import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2025, 3, 9, 14, 5, 7)


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(line)

    def _support(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


ENV = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
ENV.filters["tojson"] = tojson
ENV.globals["raise_exception"] = raise_exception
ENV.globals["strftime_now"] = NOW.strftime

VARS = {"n": 3, "f": 2.5, "s": "Hello, World", "u": "Größe ß ﬁ ΣΑΣ 東京 😀", "e": [], "z": None, "t": True,
        "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "d": {"b": 2, "a": {"x": [1, {"y": "deep"}]}, "items": "I", "C": None},
        "ms": [{"role": "user", "content": "q", "n": 2}, {"role": "assistant", "content": "a", "n": 1}, {"role": "user", "content": "r"}]}

# Expressions, one case each.
EXPR = r"""
1 + 2 * 3 ** 2 ** 1
-2 ** 2
2 ** -1
-7 // 2
-7 % 3
7 % -3
7.5 // 2
-7.5 % 2
1 / 0
1.0 // 0
true + true
1 ~ 2 + 3
'a' + 1
'a' ~ 1 ~ none
'ab' * 3
3 * [1, 2]
[1] + (2,)
(1,) + (2,)
1 < 2 < 3 > 2
1 == 1.0 == true
'a' < 'B'
[1, 2] < [1, 3]
1 < 'a'
none < 1
2 in l
4 not in l
'lo' in s
'b' in d
1 in 'abc'
1 in none
not 1 == 2
not n in l
n is odd and not f is integer
n is divisibleby 3
n is divisibleby(2)
'x' is in 'xyz'
d is mapping
d.zz is undefined
d.zz.y is defined
zz.y
d['a'].x[1].y
d['a']['x'][-1]['y']
d.items()
d['items']
d.items
d.get('b')
d.get('q', 7)
d.keys()
d.values() | list
d | length
d | list
d | items | list
d.copy()
d.pop('b')
d.update is defined
l.append(4)
l.index(2)
l.count(1)
l[5]
l[-1]
l[1:]
l[::-1]
l[5:0:-2]
l[:-1]
l[::0]
s[1]
s[-3:]
s[::-2]
u[0:5]
u | length
u[::-1]
u | upper
u | lower
u | title
u | capitalize
u.swapcase()
u.title()
s.split(', ')
s.split('l', 1)
s.rsplit('l', 1)
s.split('')
'  a  b c '.split()
'  a  b c '.split(none, 1)
'  a  b c '.rsplit(none, 1)
'a\nb\r\nc\n'.splitlines()
'a\nb\n'.splitlines(true)
'aXbXc'.partition('X')
'aXbXc'.rpartition('X')
'abc'.partition('X')
'xxhixx'.strip('x')
'xxhixx'.lstrip('x')
'xxhixx'.rstrip('x')
s.startswith(('x', 'He'))
s.endswith('ld')
s.startswith(1)
s.find('o')
s.find('o', 5)
s.rfind('o')
s.index('q')
s.count('l')
s.count('')
s.replace('l', 'L', 2)
s.replace('', '-')
'-'.join(['a', 'b'])
'-'.join([1])
'{} {1}'.format(1, 2)
'{0} {1} {0}'.format('a', 'b')
'{a.role} {a[content]}'.format(a=ms[0])
'{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:x}|{:,}'.format('a', 'b', 'c', 42, 3.14159, 255, 1234567)
'{!r}'.format('q')
'{{}}'.format()
'{'.format()
'%s and %r' % ('a', 'b')
'%5d|%-5d|%05d|%+d' % (1, 2, 3, 4)
'%x %X %o %e %g' % (255, 255, 8, 12345.678, 0.0001)
'%(a)s' % {'a': 5}
'%s' % n
'%d' % 'x'
'%s %s' % ('a',)
'%%'  % ()
'%5.1f|%s' | format(2.25, 'x')
'abc'.center(10, '*')
'abc'.ljust(5) ~ '|'
'abc'.rjust(5)
'-42'.zfill(6)
'abc'.isalpha()
'ab1'.isalnum()
'12'.isdigit()
'AB'.isupper()
'ab'.islower()
' '.isspace()
''.isspace()
'abc'.removeprefix('a')
'abc'.removesuffix('bc')
s.nope
s.nope()
n.nope
none.x
z.x.y
f()
s | trim('Hd')
w | sort
w | sort(case_sensitive=true)
w | sort(reverse=true)
ms | sort(attribute='role,content') | map(attribute='content') | list
ms | sort(attribute='n')
[3, 'a'] | sort
w | unique | list
['a', 'A', 'b'] | unique | list
w | min
w | max
[] | max
ms | max(attribute='content')
l | sum
ms[:2] | sum(attribute='n')
['a'] | sum
l | first
e | first
e | last
l | last
l | reverse | list
'abc' | reverse
l | join('-')
ms | join(',', attribute='role')
l | map('string') | join
l | map('string') | list
ms | map(attribute='n', default=0) | list
ms | map(attribute='n') | list
ms | selectattr('n') | list
ms | selectattr('n', 'eq', 1) | list
ms | rejectattr('n', 'defined') | list
ms | selectattr('role', 'in', ['user']) | map(attribute='content') | list
l | select('gt', 1) | list
l | select('odd') | list
l | reject('equalto', 1) | list
l | select('nope') | list
l | nope
n is nope
l | batch(2, 'x') | list
l | slice(2) | list
[1, 2, 3, 4, 5] | slice(3, 'f') | list
ms | groupby('role')
ms | groupby('role') | map('first') | list
ms | groupby('role') | map(attribute='list') | map('length') | list
d | dictsort
{'b': 1, 'a': 2} | dictsort(by='value')
{'b': 1, 'a': 2} | dictsort(reverse=true)
{'b': 1, 'A': 2} | dictsort(case_sensitive=true)
d | tojson
d | tojson(indent=2)
d | tojson(indent=0)
d | tojson(indent='--')
d | tojson(sort_keys=true)
u | tojson
u | tojson(ensure_ascii=true)
l | tojson(separators=(',', ':'))
zz | tojson
l | map('string') | tojson
{1: 2, none: 3, true: 4, 1.5: 5} | tojson
'</script>&' | tojson
'\x7f\x1f\u2028' | tojson
1e16 | tojson
'42' | int
'4_2' | int
'0x1f' | int(base=16)
' 7 ' | int
'3.9' | int
'x' | int(-1)
3.99 | int
none | int
'1e3' | float
'x' | float(1.5)
2.5 | round
3.5 | round
2.675 | round(2)
1234.5 | round(-2)
2.1 | round(method='ceil')
2.9 | round(0, 'floor')
3 | round
-5 | abs
true | abs
'a\nb\n\nc' | indent
'a\nb\n\nc' | indent(2, true, true)
'a\nb' | indent('> ')
'Hello big world of words' | truncate(12)
'Hello big world of words' | truncate(12, true)
'Hello big world' | truncate(13)
'one two, three-four' | wordcount
'abc' | center(9) ~ '|'
'<a>' | e
'<a>' | escape | escape
('<a>' | safe) + '<b>'
['<a>' | safe]
'x' | default('y')
zz | default('y')
'' | default('y', true)
zz | d
none | default('y')
zz or 'y'
[] and 1
1 if zz else 2
1 if zz
(1 if zz) is defined
range(3)
range(1, 10, 3) | list
range(5, 0, -2) | list
range(0)
range(200000)
range('a')
dict(a=1, b=2)
dict({'x': 1}, y=2)
namespace(a=1).a
namespace(a=1).zz
(1, 2)
()
(1,)
1, 2
[1, 'a', none, true, 1.5, (1,), {'k': []}]
{'a': 1}.a
{'a': 1, 'a': 2}
{[1]: 2}
{1: 'x', 1.0: 'y'}
"it's" ~ 'say "x"'
["it's", 'say "x"', 'both \' "', 'nl\n\t\\', 'é\x00\u200b']
'a' 'b' "c"
'\u00e9\x41\101\q'
1.0
1e20
1e16
123456789012345680.0
1e-5
0.0001
0.1 + 0.2
1e300 * 1e10
100000000000000000000 + 1
2 ** 100
0x1f + 0b11 + 0o17
1_000
true
True is true
1 is true
none is none
1.0 is float
1 is float
true is integer
true is number
'a' is string
'a' is sequence
d is sequence
d.keys() is sequence
(l | map('string')) is sequence
(l | map('string')) is iterable
zz is iterable
n is iterable
range is callable
s is callable
s.split is callable
'A' is upper
'a1' is lower
'1' is lower
3 is sameas 3
l is sameas l
[] is sameas []
'trim' is filter
'even' is test
5 is gt 3
5 is lessthan(3)
5 is ne 5
s is eq 'x'
n is not none
n is not defined
strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %y %p %I')
strftime_now('%d %b %Y')
raise_exception('boom ' ~ n)
raise_exception()
l | length == 3 and d.b == 2
ms | map(attribute='role') | unique | list | length
messages is defined
(l | map('string')) is defined
l | map('upper') | list
z | map('upper') | list
z | selectattr('x') | list
z | list
l.0
d.a.x.1.y
ms[0].role ~ ms[-1]['content']
ms[1:] | map(attribute='role') | list
'a' if n > 2 else 'b' if n > 1 else 'c'
[x for x in l]
'abc'['upper']()
d['keys']() | list
{} | tojson
{'a': {'b': 1}} | string
(l, d) | string
zz ~ 'x'
zz + 'x'
'x' + zz
zz == none
zz == yy
zz | length
zz | list
zz | string
zz | upper
zz | trim
zz < 1
-zz
zz()
zz[0]
zz in l
1 in zz
'x' in zz
'%s' % zz
[zz]
l == [3, 1, 2]
d == {'b': 2}
'a' * 0 ~ '|'
'a' * -1 ~ '|'
l | first is odd
ms | map(attribute='role') | join(' ')
"{% raw %}"
'}}' ~ '{{'
{'a': {'b': {}}}
n | string | length
- n | abs
(-n) | abs
n.__class__
s.__class__.__mro__
'a'.join.__self__
loop
caller()
varargs
""".strip().split("\n")

# Whole templates.
WHOLE = [
    "{% for i in l %}{{ i }}{% else %}none{% endfor %}",
    "{% for i in e %}{{ i }}{% else %}none{% endfor %}",
    "{% for i in l if i > 5 %}{{ i }}{% else %}none{% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}/{{ loop.length }}:{{ i }}{{ ',' if not loop.last }}{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}",
    "{% for c in u %}{{ c }}|{% endfor %}",
    "{% for a, b in [[1, 2], [3]] %}{{ a }}{% endfor %}",
    "{% for i in none %}x{% endfor %}",
    "{% for i in 5 %}x{% endfor %}",
    "{% for i in zz %}x{% else %}empty{% endfor %}",
    "{% for i in l %}{% set x = i %}{% endfor %}{{ x }}",
    "{% set x = 0 %}{% for i in l %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}",
    "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b = ns.a + 1 %}{{ ns.b }}{{ ns.c }}",
    "{% set d.x = 1 %}",
    "{% set a = b = 1 %}",
    "{% set a, b = 1, 2 %}{{ a + b }}",
    "{% set a, b = l %}{{ a }}",
    "{% set x %}a{{ n }}{% endset %}{{ x }}{{ x | length }}",
    "{% set x | upper %}a{{ s }}{% endset %}{{ x }}",
    "{% set x | replace('l', 'L') | trim %}  {{ s }}  {% endset %}[{{ x }}]",
    "{% if n == 1 %}1{% elif n == 2 %}2{% elif n == 3 %}3{% else %}x{% endif %}",
    "{% if zz %}1{% elif e %}2{% else %}3{% endif %}",
    "{% if n %}{% set q = 1 %}{% endif %}{{ q }}",
    "{% macro m(a, b=a, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}",
    "{% macro m(a) %}{{ n }}{{ late }}{% endmacro %}{% set late = 5 %}{{ m(1) }}",
    "{% macro fact(k) %}{{ 1 if k < 2 else k * (fact(k - 1) | int) }}{% endmacro %}{{ fact(10) }}",
    "{% macro m(x) %}{% for i in x %}{{ i }}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) m(l) %}<{{ i * 2 }}>{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}",
    "{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}",
    "{% macro m(a, b=2) %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.caller }}",
    "{% macro m(a) %}{% set n = 9 %}{{ n }}{% endmacro %}{{ m(1) }}{{ n }}",
    "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l %}{% for j in l %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
    "{% break %}",
    "{% for i in l recursive %}{{ i }}{{ loop([]) }}{% endfor %}",
    "{% for x in [[1, [2, 3]], 4] recursive %}{% if x is number %}{{ x }}{% else %}({{ loop(x) }}:{{ loop.depth }}){% endif %}{% endfor %}",
    "{% for i in l %}{{ loop(l) }}{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}",
    "{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for i in l %}{% for j in l %}{{ loop.depth }}{{ loop.revindex0 }}{% endfor %}{% endfor %}",
    "{% for i in l %}{% set outer = loop %}{% for j in l %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% with %}{% set x = 1 %}{{ x }}{% endwith %}{{ x }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with n = 1, b = n %}{{ n }}{{ b }}{% endwith %}{{ n }}",
    "{% filter upper %}a{{ s }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}aa{% endfilter %}",
    "{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}",
    "{% raw %}{{ x }}{% if %}{% endraw %}",
    "a {%- raw -%} {{ x }} {%- endraw -%} b",
    "  {% raw %}\n  x\n  {% endraw %}\n y",
    "{# c #}\nx{# c -#}  y  {#- c #}z",
    "  {# c #}\n  x",
    "  {%+ if true %}\n  a\n  {%+ endif %}\n",
    "  {% if true -%}\n  a\n  {%- endif +%}\n b",
    "{% if true %}\n\n a {% endif %}\n\n",
    "a\n   {{ n }}\n   {{- n -}}\n b",
    "x\n\t {% if true %} y \n\t {% endif %} z\n",
    "x {% if true %} y {% endif %} z\n\n",
    "a\r\nb\r{{ n }}\r\n",
    "\n\n",
    "",
    "{{ n }}\n",
    "{%- set a = 1 -%}\n\n {{- a }} \n",
    "{{ '\n' }}a{{\n n\n }}",
    "{{ {'a': 1}['a'] }}{{ {'x': {'y': 1}}.x.y }}",
    "{{ {} }}}",
    "{{ n }", "{{ n", "{% if n %}", "{% endif %}", "{% nope %}", "{# x", "{{ }}", "{{ n n }}", "{% for %}", "{% for i l %}{% endfor %}",
    "{% set %}", "{% set 1 = 2 %}", "{{ 'abc }}", "{{ (1 }}", "{{ 1) }}", "{{ [1 }}", "{{ f(a=1, 2) }}", "{{ a.|b }}", "{{ 1 + }}", "{{ !x }}",
    "{% if n %}{% else %}{% else %}{% endif %}", "{% macro %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% call n %}{% endcall %}",
    "{% raw %}", "{% for i in l %}{% endif %}", "{{ n | }}", "{{ n is }}", "{{ a is b is c }}", "{{ {1} }}", "{{ 1 if }}", "{% do l %}",
    "{% for i in l %}{{ i }}{% endfor x %}", "{% if a if b else c %}{% endif %}",
    "{% set g = l | map('string') %}{{ g | list }}{{ g | list }}",
    "{% if e | map('string') %}yes{% endif %}",
    "{% set x = ms | selectattr('role', 'eq', 'user') | list %}{{ x | length }}{{ x[-1].content }}",
    "{{ dict(**{'a': 1}) }}{{ range(*[1, 4]) | list }}",
    "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1], **{'b': 2}) }}",
    "{% set messages = ms %}{% for m in messages[::-1] %}{{ m.role }}{{ loop.index0 }}{% endfor %}",
    "{% for m in ms %}{% if loop.first and m.role == 'user' %}{{ raise_exception('No ' + m.role) }}{% endif %}{% endfor %}",
    "{{ raise_exception('long ' * 100) }}",
    "{% for i in range(3) %}\n  {{ i }}\n{%- endfor %}\n",
    "{% for i in range(2) -%}\n  {{ i }}\n{% endfor %}",
    "{% set x = [] %}{% set x = x + [1] %}{% set x = x + [2] %}{{ x }}",
    "{% set d = dict(d, q=1) %}{{ d.q }}{{ d.b }}",
    "{% for t in [{'type': 'function', 'function': {'name': 'f', 'parameters': {'type': 'object', 'properties': {}}}}] %}{{ t | tojson(indent=4) }}{% endfor %}",
    "{{ loop is defined }}{% for loop in l %}{% endfor %}",
    "{%- macro a() -%} x {%- endmacro -%} {{- a() -}} ",
    "{% set x = caller %}{{ x is defined }}",
    "{% if 'a' in d and d.a is mapping and 'x' in d.a %}{{ d.a.x | length }}{% endif %}",
    "{% for x in l | sort %}{{ x }}{% endfor %}",
    "{% for x in l | sort if x != 2 %}{{ x }}{% endfor %}",
    "{% for x, y in d | dictsort %}{{ x }}{% endfor %}",
    "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}",
    "{% for i in range(0, ms | length, 2) %}{{ ms[i].content }}{% endfor %}",
    "{% set x = 'a' if n else 'b' %}{{ x }}{% set y = x, x %}{{ y }}",
    "{{ s }}{% set s = 'new' %}{{ s }}",
    "{% set f = namespace(v=false) %}{% for m in ms %}{% if not f.v and m.role == 'assistant' %}{% set f.v = true %}{{ loop.index }}{% endif %}{% endfor %}",
]


def main():
    rows = []
    for source in ["{{ " + e + " }}" for e in EXPR] + WHOLE:
        row = {"template": source, "variables": VARS}
        try:
            row["expected"] = ENV.from_string(source).render(**json.loads(json.dumps(VARS)))
        except jinja2.exceptions.TemplateError as e:
            row["raise_exception" if type(e) is jinja2.exceptions.TemplateError else "error"] = str(e)
        except Exception as e:
            row["error"] = f"{type(e).__name__}: {e}"
        if "<generator" in row.get("expected", "") or " object at 0x" in row.get("expected", ""):
            print("left out, it prints an address:", source, file=sys.stderr)
            continue
        rows.append(row)
    print("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]")


main()
