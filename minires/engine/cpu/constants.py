"""The numbers of the machine: every size and rate that was tried out, and how. Change one, and measure anew.

Measured on two virtual cores of AMD EPYC processors (Zen 4, then Zen 5; 1 MiB of second-level cache a core, 32 MiB
shared) with NumPy's own OpenBLAS, medians of paired runs of whole training steps (`minires bench cpu`) unless another
way is named. None depends on the number of threads, or the bits of the results would.
"""

# -- how a batch is cut (cut.py, executor.py)
CHUNK = 32  # images of a chunk, at most: 16, 32 and 64 tried at 32x32 pixels; larger ones leave the cache
UNITS = 8  # units of work of a phase, at most: the sums of each unit are added in the order of the units
PIXELS = 8_192  # of a batch that is one chunk: fewer are done before two threads agree (ResNet-20, 1 to 12 images)
ROWS = 128  # pixels that a number of the filters meets, up to which a batch is one chunk (ResNet-18, 1 to 8 images)
FEW = 3  # tasks that one thread does sooner than several agree: dispatch took 0.1 to 0.3 ms
PART = 300_000  # numbers of the filters that one thread makes at a time (512 x 512 filters of ResNet-18, 1 image)

# -- sizes of blocks
BLOCK = 262_144  # numbers of a block of rows in a join: few calls, as threads wait for each other's interpreter lock
WORK = 450_000  # numbers of a work area: with its products it should stay in the second-level cache
TAPS = 65_536  # numbers of a block of rows in a depthwise convolution, which reads each KH KW times
COLUMNS = 1024  # filters that are transformed at once: rows of 36 a power of two apart fall on the same cache lines
SLACK = 80  # numbers between slabs, for the same reason: found by trying 0 to 256 in steps of 16

# -- products that threads share where a batch is one chunk
SHARED = 5_000_000  # multiplications of a product that several threads finish sooner than one (products alone)
PIECES = 4  # of such a product

# -- nanoseconds on one core, each timed alone: only ratios matter, and only where two algorithms are close
PER_FLOP = 1 / 95  # of a large matrix product
PER_COPY = 0.35  # a number copied in runs of some length
PER_TRANSFORM = 0.4  # a number of a Winograd transform, of V or of M
PER_FILTER = 2.5  # a number of a filter that is made anew in each step
