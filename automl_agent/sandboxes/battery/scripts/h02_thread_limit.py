"""Start threads until the kernel says no."""

import threading

from probing import FACTS, check

end = threading.Event()
n_threads = 0
failure = "none"
while n_threads < 2 * FACTS["pids_limit"]:
    try:
        threading.Thread(target=end.wait, daemon=True).start()
    except RuntimeError as exc:
        failure = str(exc)
        break
    n_threads += 1
end.set()
check("control: some threads can be started", n_threads >= 16, n_threads)
check("no more than the limit", n_threads < FACTS["pids_limit"], n_threads)
check("the kernel refused", "can't start" in failure, failure)
