"""The numbers of the machine: sizes and rates that were measured, and how. Change one, and measure anew.

On two virtual cores of AMD EPYC processors (Zen 4 and 5, 1 MiB of second-level cache a core, 32 MiB shared) with
NumPy's own OpenBLAS: "steps" are whole training steps in paired runs, as `minires bench cpu` makes them, "alone" is one
operation on arrays that lie in the cache. None depends on the number of threads, or the bits of the results would.
"""

# -- how a batch is cut (cut.py)
CHUNK = 16  # images of a chunk, at most; steps of ResNet-20: 32 is 2 % faster on one thread, 8 costs 5 % there
UNITS = 8  # units of work of a phase, at most: each has a slot of its own for the gradients of weights
PIXELS = 4_096  # of a batch that is one chunk; steps of ResNet-20 with 1 to 12 images, one thread, two, a helper
ROWS = 128  # pixels that a number of the filters meets, up to which a batch is one chunk; steps of ResNet-18, 1 to 8
FEW = 3  # tasks that one thread does sooner than several agree; alone: several agree in 0.1 to 0.3 ms
HELPED = 1.0  # seconds that a plan has run before it gets helpers, which take a quarter of one to start

# -- sizes of blocks
BLOCK = 131_072  # numbers of a block of rows in a join, which stays in the second-level cache; steps
WORK = 600_000  # numbers of a work area: with its products it should stay in the second-level cache; steps
TILES = 150_000  # of one for the tiles of few channels, which is written and read twice; steps of ResNet-20
TALL = 2  # of a block, numbers of its work area to those of a gradient it writes: large ones are written once; memory
TAPS = 65_536  # numbers of a block of rows in a depthwise convolution, which reads each of them KH KW times; alone
COLUMNS = 1024  # filters that are transformed at once: rows of 36 a power of two apart fall on the same cache lines
SLACK = 80  # numbers between slabs, for the same reason
CLEAN = 300_000  # numbers of a chunk of the work area that keeps the zeros around it, in memory of its own; memory
BUFFER = 1024  # numbers of NumPy's buffer: rows shorter than it are copied into it, at four times the cost; alone

# -- what threads share where a batch is one chunk
SHARED = 5_000_000  # multiplications of a product that several threads finish sooner than one; alone
PIECES = 4  # of such a product, and bands of a join
BAND = 25_000  # numbers of a band of rows, of which there are as many, or one; steps of ResNet-18 with one image
THREADED = 1_000_000_000  # multiplications of a Linear from which on BLAS's own threads share it, and then wait

# -- nanoseconds on one core, alone: only their ratios matter, and only where two algorithms are close
PER_FLOP = 1 / 95  # of a large matrix product: 90 to 104 GFLOP/s
PER_COPY = 0.35  # a number copied in a run
PER_STEP = 1.0  # a number copied to one that lies some numbers behind the last
PER_RUN = 8.0  # beside: the beginning of a run
PER_SORT = 0.3  # a number of a weight whose channels are to lie innermost; steps of ResNet-18 with one image
PER_TRANSFORM = 0.4  # a number of a Winograd transform, of V or of M
PER_FILTER = 2.0  # a number of a filter that is made anew in each step
PER_READ = 0.7  # a number of a filter that is not in the cache: 36 x 512 x 512 of them, for few pixels
