"""The variables by which numeric libraries learn how many threads they may start."""


def build_thread_environment(n_threads: int) -> dict[str, str]:
    """One variable for each library that would else count the machine's processors."""
    return {
        "OMP_NUM_THREADS": str(n_threads),
        "OPENBLAS_NUM_THREADS": str(n_threads),
        "MKL_NUM_THREADS": str(n_threads),
        "NUMEXPR_NUM_THREADS": str(n_threads),
        # OpenMP's threads wait by spinning, which takes the processor from those they wait for: on
        # a busy machine a training of 2 s was seen to take 160 s. Never to spin costs a system call
        # for each tree node, three times the time on an idle machine. This is between.
        "GOMP_SPINCOUNT": "1000",
    }
