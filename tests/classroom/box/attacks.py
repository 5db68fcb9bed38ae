"""Submissions that want something else than to be right: each defines f(x), which ought to be max(x, 0).

REACH tries to get out, to read what is outside or to change it. FORGE tries to be taken for right. BREAK tries to stop
the grader, or to take all of something.
"""

import numpy as np

from minires.classroom.box import Box, Failure

LIMIT = 0.5  # seconds for a call

REACH = {
    "fork": "import os\ndef f(x):\n  for _ in range(40): os.fork()\n  return x",
    "vfork": "import subprocess\ndef f(x): subprocess.run(['/usr/bin/id']); return x",
    "os.system": "import os\ndef f(x):\n  if os.system('true') == 0: raise RuntimeError('OPEN')\n  return x",
    "a pool": "import multiprocessing as m\ndef f(x): return m.Pool(2).map(abs, [1])",
    "a daemon": "import os\ndef f(x):\n  if os.fork() == 0:\n    os.setsid()\n    while 1: pass\n  return x",
    "threads": "import threading, time\ndef f(x):\n  for _ in range(500): threading.Thread(target=time.sleep, args=(99,)).start()",
    "walk": """
import os
def f(x):
    for folder, folders, files in os.walk('/'):
        if folder.startswith(('/proc', '/sys', '/usr')):
            folders[:] = []
        elif {'solution.py', 'hidden.py', 'canary'} & set(files):
            raise RuntimeError('OPEN')
    return x""",
    "files of the host": """
def f(x):
    for path in ('/etc/shadow', '/etc/passwd', '/root/.bashrc', '/proc/1/environ', '/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/vda'):
        try:
            open(path, 'rb').read(1)
        except OSError:
            continue
        if path != '/proc/1/environ':
            raise RuntimeError('OPEN ' + path)
    return x""",
    "memory of others": """
import os
def f(x):
    for pid in os.listdir('/proc'):
        if pid.isdigit() and int(pid) not in (1, os.getpid()):
            for name in ('mem', 'environ', 'maps'):
                try:
                    open(f'/proc/{pid}/{name}', 'rb').read(1)
                except OSError:
                    continue
                raise RuntimeError('OPEN')
    return x""",
    "root of the first process": "import os\ndef f(x):\n  if os.path.exists('/proc/1/root/etc/passwd'): raise RuntimeError('OPEN')\n  return x",
    "results": """
def f(x):
    for path in ('results.json', '/autograder/results/results.json', '/tmp/f', '/inside/worker.py', '/x', '/usr/x', '/dev/x', '/dev/shm/x'):
        try:
            open(path, 'a').write('{"score": 1}')
        except OSError:
            continue
        raise RuntimeError('OPEN ' + path)
    return x""",
    "the standard library": "import os\ndef f(x):\n  open(os.__file__, 'a').write(''); raise RuntimeError('OPEN')",
    "numpy": "import numpy\ndef f(x):\n  open(numpy.__file__, 'a').write(''); raise RuntimeError('OPEN')",
    "loopback": "import socket\ndef f(x):\n  socket.create_connection(('127.0.0.1', 22), 1); raise RuntimeError('OPEN')",
    "a pair of sockets": "import socket\ndef f(x):\n  socket.socketpair(); raise RuntimeError('OPEN')",
    "raw calls": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def f(x):
    for number in (41, 56, 57, 58, 59, 62, 101, 134, 165, 234, 250, 272, 298, 304, 310, 311, 313, 319, 321, 322, 323, 425, 435, 438):
        if libc.syscall(number, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() not in (1, 38):
            raise RuntimeError(f'OPEN {number}')
    return x""",
    "x32": "import ctypes\ndef f(x): ctypes.CDLL(None).syscall(0x40000000 + 57); return x",
    "int 80": "import ctypes, mmap\ndef f(x):\n  m = mmap.mmap(-1, 4096, prot=7); m.write(b'\\xb8\\x02\\0\\0\\0\\xcd\\x80\\xc3'); a = ctypes.addressof(ctypes.c_char.from_buffer(m))\n  if ctypes.CFUNCTYPE(ctypes.c_int)(a)() > 0: raise RuntimeError('OPEN')\n  return x",
    "kill": "import os\ndef f(x):\n  for who in (-1, 1, 0, os.getppid()):\n    try: os.kill(who, 9)\n    except OSError: continue\n    raise RuntimeError('OPEN')\n  return x",
    "setuid": "import os\ndef f(x):\n  os.setuid(0); raise RuntimeError('OPEN')",
    "limits": "import resource\ndef f(x):\n  resource.setrlimit(resource.RLIMIT_AS, (-1, -1)); raise RuntimeError('OPEN')",
    "limits by prlimit": "import resource\ndef f(x):\n  resource.prlimit(0, resource.RLIMIT_CPU, (-1, -1)); raise RuntimeError('OPEN')",
    "environment": "import os\ndef f(x):\n  if os.environ: raise RuntimeError('OPEN')\n  return x",
    "command line": "import sys\ndef f(x):\n  if len(sys.argv) > 1: raise RuntimeError('OPEN')\n  return x",
    "descriptors": """
import os
def f(x):
    for number in range(5, 300):
        try:
            os.fstat(number)
        except OSError:
            continue
        raise RuntimeError('OPEN')
    return x""",
    "minires": "def f(x):\n  import minires\n  raise RuntimeError('OPEN')",
    "minires by path": """
import glob, sys
def f(x):
    for path in glob.glob('/usr/**/*-packages', recursive=True) + glob.glob('/root/**/*-packages', recursive=True):
        sys.path.append(path)
    import minires
    raise RuntimeError('OPEN')""",
    "torch": "def f(x):\n  import torch\n  raise RuntimeError('OPEN')",
    "shared memory": "from multiprocessing import shared_memory as m\ndef f(x):\n  m.SharedMemory(create=True, size=1 << 20); raise RuntimeError('OPEN')",
    "memfd": "import os\ndef f(x):\n  os.memfd_create('a'); raise RuntimeError('OPEN')",
    "io_uring": "import ctypes\ndef f(x):\n  if ctypes.CDLL(None).syscall(425, 1, 0) >= 0: raise RuntimeError('OPEN')\n  return x",
    "ptrace": "import ctypes, os\ndef f(x):\n  if ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0: raise RuntimeError('OPEN')\n  return x",
    "a link": "import os\ndef f(x):\n  os.symlink('/etc/passwd', '/tmp/l'); raise RuntimeError('OPEN')",
    "a folder": "import os\ndef f(x):\n  os.mkdir('/tmp/d'); raise RuntimeError('OPEN')",
    "chroot": "import os\ndef f(x):\n  os.chroot('/proc/1/root'); raise RuntimeError('OPEN')",
    "namespaces": "import ctypes\ndef f(x):\n  if ctypes.CDLL(None).unshare(0x10000000) == 0: raise RuntimeError('OPEN')\n  return x",
    "mount": "import ctypes\ndef f(x):\n  if ctypes.CDLL(None).mount(b'/', b'/mnt', None, 4096, None) == 0: raise RuntimeError('OPEN')\n  return x",
    "oom score": "def f(x):\n  for score in ('-500', '500'):\n    with open('/proc/self/oom_score_adj', 'w') as file: file.write(score)\n    raise RuntimeError('OPEN')",
    "own memory": "def f(x):\n  open('/proc/self/mem', 'r+b').write(b'x'); return x",
    "frames": """
import gc, sys
def f(x):
    frame = sys._getframe()
    while frame:
        for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
            if name in ('want', 'expected', 'solution', 'reference'):
                return value
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            for name in ('want', 'expected', 'solution', 'reference'):
                if hasattr(thing.get(name), 'shape'):
                    return thing[name]
    raise LookupError('nothing')""",
}  # fmt: skip

FORGE = {
    "exit in import": "import sys; sys.exit(0)",
    "exit in call": "import os\ndef f(x): os._exit(0)",
    "SystemExit": "def f(x): raise SystemExit(0)",
    "KeyboardInterrupt": "def f(x): raise KeyboardInterrupt",
    "a score on stdout": "print('{\"score\": 1.0}', flush=True)\ndef f(x): print('{\"score\": 1.0}', flush=True); return x",
    "a score by descriptor": "import os\ndef f(x):\n  os.write(4, b'{\"score\": 1.0}'); return x",
    "an answer of zeros": "import os, sys\ndef f(x):\n  w = sys.modules['wire']; d = w.frame(['ok', [False, [x * 0]], []])\n  for _ in range(9): os.write(4, d)\n  os._exit(0)",
    "an answer for later": "import os, sys\ndef f(x):\n  os.write(4, sys.modules['wire'].frame(['ok', [False, [x]], []])); return x",
    "ready again": "import os, sys\ndef f(x):\n  os.write(4, sys.modules['wire'].frame('ready')); return x",
    "an error for later": "import os, sys\ndef f(x):\n  os.write(4, sys.modules['wire'].frame(['error', 'full marks', 'yes'])); return x",
    "a frame of 4 GB": "import os\ndef f(x):\n  os.write(4, b'\\xff\\xff\\xff\\xff'); return x",
    "an array of 2^64": "import os, struct\ndef f(x):\n  b = b'l' + struct.pack('<I', 1) + b'a' + struct.pack('<BB4I', 0, 4, *[65536] * 4); os.write(4, struct.pack('<I', len(b)) + b); return x",
    "a part that is not there": "import os, sys\ndef f(x):\n  w = sys.modules['wire']\n  for p in (w.Part(0), w.Handle(7), 'x', None): os.write(4, w.frame(['use', p, 'forward', [x, True]]))\n  return x",
    "another method of a part": "import os, sys\ndef f(x):\n  w = sys.modules['wire']; os.write(4, w.frame(['use', w.Part(0), '__class__', [x, True]])); return x",
    "no end of uses": "import os, sys\ndef f(x):\n  d = sys.modules['wire'].frame(['use'])\n  while 1: os.write(4, d)",
    "noise": "import os\ndef f(x):\n  os.write(4, os.urandom(100000)); return x",
    "nested lists": "import os, struct\ndef f(x):\n  b = b'l\\x01\\0\\0\\0' * 100000; os.write(4, struct.pack('<I', len(b)) + b); return x",
    "a patched numpy": "import numpy as np, builtins\nnp.allclose = np.array_equal = lambda *a, **k: True\nnp.testing = None\nbuiltins.isinstance = lambda *a: True\ndef f(x): return x",
    "equal to all": "class T:\n  shape, dtype = (3, 5), 'f4'\n  def __eq__(s, o): return True\ndef f(x): return T()",
    "a subclass": "import numpy as np\nclass N(np.ndarray):\n  def __eq__(s, o): return True\n  def __sub__(s, o): return s * 0\n  def tobytes(s, *a): return b'x' * 60\ndef f(x): return x.view(N)",
    "an interface": "class T:\n  __array_interface__ = {'shape': (3, 5), 'typestr': '<f4', 'data': (4096, False), 'version': 3}\ndef f(x): return T()",
    "NaN": "import numpy as np\ndef f(x): return np.full_like(x, np.nan)",
    "infinity": "import numpy as np\ndef f(x): return np.full_like(x, np.inf)",
    "objects": "import numpy as np\ndef f(x): return np.array([x, None], dtype=object)",
    "a pickle": "import numpy as np, os\nclass E:\n  def __reduce__(s): return os.system, ('touch PWNED',)\ndef f(x):\n  a = np.empty(x.shape, object); a.fill(E()); return a",
    "a patched worker": "import __main__\n__main__.changed = lambda *a: False\n__main__.Worker.send = lambda *a: None\ndef f(x): return x",
    "a patched wire": "import sys\nsys.modules['wire'].pack = lambda v: b'N'\ndef f(x): return x",
    "modules": "import sys, types\nfor k in list(sys.modules):\n  if k not in ('sys', '__main__'): sys.modules[k] = types.ModuleType(k)\ndef f(x): return x",
    "right twice": "import numpy as np\nn = 0\ndef f(x):\n  global n; n += 1\n  return np.maximum(x, 0) if n < 3 else x",
    "right for one shape": "import numpy as np\ndef f(x): return np.maximum(x, 0) if x.shape == (3, 5) else x",
    "zeros": "import numpy as np\ndef f(x): return np.zeros_like(x)",
    "the input": "def f(x): return x",
    "atexit": "import atexit, os\natexit.register(lambda: os.write(4, b'ok'))\ndef f(x): return x",
    "the input overwritten": "def f(x):\n  x[...] = 0\n  return x",
    "an error that exits": "class E(Exception):\n  def __str__(s): raise SystemExit\ndef f(x): raise E()",
    "terminal and HTML": "def f(x): raise ValueError('\\x1b]0;pwn\\x07\\x1b[2J<script>alert(1)</script>\\r\\nscore: 1.0')",
    "not a function": "f = 3",
    "no function": "g = 1",
    "a property": "import os\nclass T:\n  @property\n  def __array__(s): os._exit(0)\ndef f(x): return T()",
    "getattr": "def __getattr__(n):\n  while 1: pass",
}  # fmt: skip

BREAK = {
    "loop in import": "while 1: pass",
    "loop": "def f(x):\n  while 1: pass",
    "sleep": "import time\ndef f(x): time.sleep(1e6)",
    "a long product": "def f(x): return 3 ** (10 ** 9)",
    "a regular expression": "import re\ndef f(x): return re.match('(a+)+$', 'a' * 60 + 'b')",
    "ignored signals": "import signal\nfor s in range(1, 64):\n  try: signal.signal(s, signal.SIG_IGN)\n  except Exception: pass\ndef f(x):\n  while 1: pass",
    "memory": "import numpy as np\ndef f(x): return np.ones(10 ** 10)",
    "memory in pieces": "def f(x):\n  l = []\n  while 1: l.append(bytearray(1 << 24))",
    "memory, caught": "def f(x):\n  l = []\n  while 1:\n    try: l.append(bytearray(1 << 24))\n    except MemoryError: l.clear()",
    "a large answer": "import numpy as np\ndef f(x): return np.ones(10 ** 8)",
    "files": "def f(x):\n  for i in range(10 ** 9):\n    try: open(f'/tmp/f{i}', 'w').close()\n    except OSError: return x",
    "stdout": "def f(x):\n  while 1: print('A' * 65536)",
    "a descriptor closed": "import os\ndef f(x): os.close(4)",
    "requests stolen": "import os\ndef f(x): os.read(3, 1 << 20); return x",
    "a crash": "import ctypes\ndef f(x): ctypes.string_at(0)",
    "recursion": "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(x): return f(x)",
    "a long error": "def f(x): raise ValueError('A' * 10 ** 8)",
    "syntax": "def f(x) return x",
    "zero bytes": "def f(x): return x\n\0\0",
    "parentheses": "x = " + "(" * 100000 + ")" * 100000,
    "minus signs": "x = " + "-" * 200000 + "1",
    "a generator": "def f(x):\n  def g():\n    while 1: yield 1.0\n  return list(g())",
    "a memmap": "import numpy as np\ndef f(x): return np.memmap('/tmp/f', 'f4', 'w+', shape=(1 << 30,))",
}  # fmt: skip

ALL = {**REACH, **FORGE, **BREAK}
RIGHT = "import numpy as np\ndef f(x): return np.maximum(x, 0)"


def grade(tier, source):
    """(points, what went wrong) of a submission: one point, if it is right for five inputs that it cannot know."""
    rng = np.random.default_rng()
    try:
        with Box(tier) as box:
            box.load(source, seconds=LIMIT)
            for columns in range(5, 10):
                x = rng.standard_normal((3, columns)).astype(np.float32)
                given = x.copy()
                y = box.call("f", given, seconds=LIMIT)
                alike = isinstance(y, np.ndarray) and y.shape == x.shape and y.dtype == x.dtype
                if not alike or not np.array_equal(y, np.maximum(x, 0)):
                    return 0, "wrong"
                if not np.array_equal(given, x):
                    return 0, "x is overwritten"
    except Failure as error:
        return 0, f"{error.kind}: {error}"
    return 1, ""
