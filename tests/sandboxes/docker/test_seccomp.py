"""The seccomp profile: what it says, and what the kernel makes of it in a container."""

import json
import signal
from errno import EBADF, EINVAL, ENOSYS, ENOTSUP, ENOTTY, EPERM
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from automl_agent.assets import asset_path

if TYPE_CHECKING:
    from docker import APIClient

PROFILE_TEXT = asset_path("sandbox", "seccomp.json").read_text(encoding="utf-8")
PROFILE: dict[str, Any] = json.loads(PROFILE_TEXT)
GROUPS: list[dict[str, Any]] = PROFILE["syscalls"]
TRAINING_LIMIT_S = 120
FIRST_PROCESSES = f"/usr/local/libexec/automl-timeout {TRAINING_LIMIT_S} tini -s --".split()

# By name the number on x86_64, of calls that nobody may make whatever the arguments are.
REFUSED_WORDS = """
    mount 165 umount2 166 pivot_root 155 chroot 161 fsopen 430 fsconfig 431 fsmount 432 fspick 433
    move_mount 429 open_tree 428 mount_setattr 442 setns 308 add_key 248 request_key 249
    process_vm_readv 310 process_vm_writev 311 process_madvise 440 pidfd_getfd 438 bpf 321
    perf_event_open 298 io_setup 206 memfd_secret 447 open_by_handle_at 304 name_to_handle_at 303
    kexec_load 246 kexec_file_load 320 init_module 175 finit_module 313 delete_module 176 reboot 169
    swapon 167 swapoff 168 acct 163 quotactl 179 fanotify_init 300 fanotify_mark 301
    lookup_dcookie 212 nfsservctl 180 syslog 103 settimeofday 164 clock_settime 227
    clock_adjtime 305 adjtimex 159 iopl 172 ioperm 173 modify_ldt 154 uselib 134 _sysctl 156
    mknod 133 mknodat 259 setuid 105 setgid 106 setgroups 116 setreuid 113 setresuid 117 capset 126
    seccomp 317 move_pages 279 migrate_pages 256 sethostname 170 setdomainname 171 vhangup 153
    sched_setscheduler 144 sched_setattr 314 shmget 29 semget 64 msgget 68
"""
REFUSED = dict(zip(REFUSED_WORDS.split()[::2], map(int, REFUSED_WORDS.split()[1::2]), strict=True))
FORBIDDEN_WORDS = """
    afs_syscall capget create_module get_kernel_syms io_cancel io_destroy io_getevents io_submit
    ioprio_set kcmp keyctl mlockall ptrace query_module quotactl_fd remap_file_pages
    rt_sigqueueinfo rt_tgsigqueueinfo sched_setparam setfsgid setfsuid setregid setresgid
    stime sync sysfs umount unshare userfaultfd ustat vm86 vm86old
    clone3 execveat io_uring_enter io_uring_register io_uring_setup mseal process_mrelease
    removexattr setxattr splice tee vmsplice
"""
FORBIDDEN = {*REFUSED, *FORBIDDEN_WORDS.split()}


class Call(NamedTuple):
    """A system call with the errno it must end with under the profile, 0 if it must succeed.

    number: on x86_64. title: begins with the call's name.
    """

    title: str
    number: int
    args: tuple[int, ...]
    errno: int

    @property
    def name(self) -> str:
        """The call's name."""
        return self.title.split()[0]


NAMESPACES = {
    "NEWNS": 0x20000,
    "NEWCGROUP": 0x2000000,
    "NEWUTS": 0x4000000,
    "NEWIPC": 0x8000000,
    "NEWUSER": 0x10000000,
    "NEWPID": 0x20000000,
    "NEWNET": 0x40000000,
}
FAMILIES = {"NETLINK": 16, "PACKET": 17, "ALG": 38, "VSOCK": 40, "XDP": 44, "QIPCRTR": 42}
# Whatever the upper half of the register holds, the kernel does not look at it.
HIGH = 1 << 32

# Pointers are null and files are -1, so that a call which is let through does nothing.
DENIED = [
    *(Call(name, number, (-1, 0, 0, 0, 0, 0), EPERM) for name, number in REFUSED.items()),
    *(Call(f"unshare {name}", 272, (flag,), EPERM) for name, flag in NAMESPACES.items()),
    Call("unshare NEWTIME", 272, (0x80,), EPERM),
    *(
        Call(f"clone {name}", 56, (flag | signal.SIGCHLD,), EPERM)
        for name, flag in NAMESPACES.items()
    ),
    Call("clone NEWUSER with upper bits", 56, (HIGH | 0x10000000 | signal.SIGCHLD,), EPERM),
    Call("clone3", 435, (0, 0), ENOSYS),
    Call("keyctl", 250, (0, -3, 0), EPERM),
    Call("ptrace TRACEME", 101, (0,), EPERM),
    Call("kcmp", 312, (1, 1, 0, 0, 0), EPERM),
    Call("userfaultfd", 323, (0x4001,), EPERM),
    Call("io_uring_setup", 425, (0, 0), ENOSYS),
    Call("io_uring_enter", 426, (-1, 0, 0, 0, 0, 0), ENOSYS),
    Call("io_uring_register", 427, (-1, 0, 0, 0), ENOSYS),
    Call("mseal", 462, (1, 0, 0), ENOSYS),
    Call("splice", 275, (-1, 0, -1, 0, 0, 0), ENOSYS),
    Call("setxattr", 188, (), ENOTSUP),
    *(Call(f"socket AF_{name}", 41, (family, 3, 0), EPERM) for name, family in FAMILIES.items()),
    Call("socket AF_INET raw ICMP", 41, (2, 3, 1), EPERM),
    Call("socket AF_INET datagram ICMP", 41, (2, 2, 1), EPERM),
    Call("socket AF_INET SCTP", 41, (2, 1, 132), EPERM),
    Call("socketpair AF_INET", 53, (2, 1, 0, 0), EPERM),
    Call("ioctl TIOCSTI", 16, (-1, 0x5412, 0), EPERM),
    Call("ioctl TIOCSTI with upper bits", 16, (-1, HIGH | 0x5412, 0), EPERM),
    Call("ioctl TIOCLINUX", 16, (-1, 0x541C, 0), EPERM),
    Call("ioctl TIOCLINUX with upper bits", 16, (-1, HIGH | 0x541C, 0), EPERM),
    Call("ioctl TIOCSETD", 16, (-1, 0x5423, 0), EPERM),
    Call("personality ADDR_NO_RANDOMIZE", 135, (0x40000,), EPERM),
    Call("personality PER_LINUX32", 135, (8,), EPERM),
    Call("prctl SET_SECCOMP", 157, (22, 2, 0), EPERM),
    Call("prctl SET_PTRACER", 157, (0x59616D61, -1), EPERM),
    Call("prlimit64 of another process", 302, (1, 7, 0, 0), EPERM),
    Call("mknod of a FIFO", 133, (0, 0o010600, 0), EPERM),
]
ALLOWED = [
    Call("clone", 56, (signal.SIGCHLD,), 0),
    Call("socket AF_UNIX", 41, (1, 0x80801, 0), 0),
    Call("socket AF_INET", 41, (2, 0x80001, 6), 0),
    Call("socket AF_INET with upper bits", 41, (HIGH | 2, 1, 0), 0),
    Call("socket AF_INET6", 41, (10, 2, 17), 0),
    Call("personality query", 135, (0xFFFFFFFF,), 0),
    Call("personality PER_LINUX", 135, (0,), 0),
    Call("prctl GET_NO_NEW_PRIVS", 157, (39, 0, 0, 0, 0), 0),
    Call("prlimit64 of itself", 302, (0, 7, 0, 0), 0),
    Call("ioctl FIONBIO", 16, (-1, 0x5421, 0), EBADF),
    Call("ioctl TIOCGWINSZ", 16, (0, 0x5413, 0), ENOTTY),
    Call("ioctl to an NVIDIA device", 16, (0, 0xC020462A, 0), ENOTTY),
    Call("sched_yield", 24, (), 0),
    Call("eventfd2", 290, (0, 0), 0),
    Call("memfd_create", 319, (0, 0xFFFF), EINVAL),
]
# Calls at which the kernel alone says something else; of the others it refuses many itself.
SEEN_WITHOUT_FILTER = """
    setns, ptrace TRACEME, clone3, keyctl, add_key, perf_event_open, io_uring_setup,
    userfaultfd, name_to_handle_at, clock_settime, pidfd_getfd, splice, socket AF_NETLINK,
    ioctl TIOCSTI, ioctl TIOCLINUX with upper bits, personality ADDR_NO_RANDOMIZE,
    prlimit64 of another process, unshare NEWUSER, clone NEWUSER, mount, process_vm_readv
"""

# Every call is made in a process of its own: some change the process that makes them.
PROBE = """
import ctypes, json, mmap, os, sys

libc = ctypes.CDLL(None, use_errno=True)

def call(number, args):
    if libc.syscall(ctypes.c_long(number), *(ctypes.c_long(arg) for arg in args)) >= 0:
        return 0
    return ctypes.get_errno()

def call_as_32_bit():
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("b814000000" "cd80" "c3"))  # getpid by int 0x80
    start = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return 0 if ctypes.CFUNCTYPE(ctypes.c_int)(start)() > 0 else 1

def try_alone(function, *args):
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(sink, b"%d " % function(*args))
        os._exit(0)
    os.close(sink)
    status = os.waitpid(pid, 0)[1]
    answer = os.read(source, 100).split()
    os.close(source)
    return int(answer[0]) if answer else -os.WTERMSIG(status)

calls = json.loads(sys.argv[1])
results = {title: try_alone(call, number, args) for title, number, args in calls}
results["int 0x80"] = try_alone(call_as_32_bit)
results["newer"] = try_alone(call, 999, ())
results["x32"] = try_alone(call, 0x40000000 | 39, ())
print(json.dumps(results))
"""

TRAININGS = {
    "scikit-learn": """
        from sklearn.datasets import make_classification
        from sklearn.ensemble import HistGradientBoostingClassifier
        x, y = make_classification(2000, random_state=0)
        assert HistGradientBoostingClassifier(max_iter=20).fit(x, y).score(x, y) > 0.9
        """,
    "loky": """
        from sklearn.datasets import make_classification
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_score
        from joblib import parallel_config
        x, y = make_classification(2000, random_state=0)
        with parallel_config("loky", n_jobs=2):
            assert cross_val_score(LogisticRegression(), x, y).mean() > 0.7
        """,
    "xgboost": """
        import xgboost
        from sklearn.datasets import make_classification
        x, y = make_classification(2000, random_state=0)
        model = xgboost.XGBClassifier(n_estimators=20, n_jobs=2).fit(x, y)
        model.save_model("/tmp/model.ubj")
        assert model.score(x, y) > 0.9
        """,
    "parquet": """
        import pandas as pd
        frame = pd.DataFrame({"a": range(1000), "b": ["x"] * 1000})
        frame.to_parquet("/tmp/frame.parquet")
        assert pd.read_parquet("/tmp/frame.parquet").equals(frame)
        """,
    "multiprocessing": """
        import math, multiprocessing
        from multiprocessing.shared_memory import SharedMemory
        for method in ("fork", "forkserver", "spawn"):
            context = multiprocessing.get_context(method)
            with context.Pool(2) as pool:
                assert pool.map(math.sqrt, [4, 9]) == [2, 3]
            with context.Semaphore(1):
                pass
        memory = SharedMemory(create=True, size=4096)
        memory.close()
        memory.unlink()
        """,
    "asyncio and a subprocess": """
        import asyncio, subprocess
        async def echo():
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            return (await process.communicate(b"x"))[0]
        assert asyncio.run(echo()) == b"x"
        assert subprocess.run(["ls", "/"], capture_output=True, check=True).stdout
        """,
}


def by_title(calls: list[Call]) -> Any:
    return pytest.mark.parametrize("call", calls, ids=[call.title for call in calls])


def decide(name: str, args: tuple[int, ...]) -> int:
    """The errno with which the profile ends a call, 0 if it lets it through."""
    for group in GROUPS:
        if name in group["names"] and all(is_met(rule, args) for rule in group.get("args", ())):
            return int(group.get("errnoRet", 0))
    return int(PROFILE["defaultErrnoRet"])


def is_met(rule: dict[str, Any], args: tuple[int, ...]) -> bool:
    value = args[rule["index"]] if rule["index"] < len(args) else 0
    return bool(value & rule["value"] == rule["valueTwo"])


def allowed_names() -> set[str]:
    return {name for group in GROUPS if "errnoRet" not in group for name in group["names"]}


def run_python(engine: "APIClient", image: str, seccomp: str, *command: str) -> tuple[int, str]:
    """The exit status and the output of Python in a container with this profile."""
    host_config = engine.create_host_config(
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true", f"seccomp={seccomp}"],
        tmpfs={"/tmp": "rw,nosuid,nodev,noexec,size=256m,mode=1777"},
        pids_limit=256,
        mem_limit="4g",
    )
    created = engine.create_container(
        image,
        [*FIRST_PROCESSES, "/opt/venv/bin/python", "-I", "-c", *command],
        user="65534:65534",
        host_config=host_config,
        environment={"HOME": "/tmp", "JOBLIB_TEMP_FOLDER": "/tmp"},
        labels={"automl-agent.schema": "1"},
    )
    try:
        engine.start(created)
        status = engine.wait(created, timeout=2 * TRAINING_LIMIT_S)["StatusCode"]
        return status, engine.logs(created).decode(errors="backslashreplace")
    finally:
        engine.remove_container(created, v=True, force=True)


def probe(engine: "APIClient", image: str, seccomp: str) -> dict[str, int]:
    """By title the errno of each call, 0 if it succeeded, minus the signal if it was killed."""
    if engine.version()["Arch"] != "amd64":
        pytest.skip("the numbers of the calls are those of x86_64")
    calls = [(call.title, call.number, call.args) for call in (*DENIED, *ALLOWED)]
    status, output = run_python(engine, image, seccomp, PROBE, json.dumps(calls))
    assert status == 0, output
    results: dict[str, int] = json.loads(output)
    return results


@pytest.fixture(scope="module")
def confined(engine: "APIClient", image: str) -> dict[str, int]:
    return probe(engine, image, PROFILE_TEXT)


@pytest.fixture(scope="module")
def unconfined(engine: "APIClient", image: str) -> dict[str, int]:
    return probe(engine, image, "unconfined")


def test_what_is_not_listed_is_refused() -> None:
    assert PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"
    assert PROFILE["defaultErrnoRet"] == EPERM


def test_only_native_calls_are_listed() -> None:
    assert PROFILE["archMap"] == [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
    ]


def test_no_forbidden_call_is_allowed() -> None:
    assert allowed_names() & FORBIDDEN == set()


def test_the_names_of_a_group_are_sorted_and_in_no_other_group() -> None:
    assert all(group["names"] == sorted(group["names"]) for group in GROUPS)
    whole = list(chain.from_iterable(group["names"] for group in GROUPS if "args" not in group))
    partly = set(chain.from_iterable(group["names"] for group in GROUPS if "args" in group))
    assert len(whole) == len(set(whole))
    assert partly.isdisjoint(whole)


def test_every_group_says_why_and_has_only_fields_that_the_engine_knows() -> None:
    known = {"comment", "names", "action", "args", "errnoRet"}
    assert all(group["comment"] and group.keys() <= known for group in GROUPS)
    for group in GROUPS:
        action = "SCMP_ACT_ERRNO" if "errnoRet" in group else "SCMP_ACT_ALLOW"
        assert group["action"] == action


def test_no_group_has_two_conditions_on_one_argument() -> None:
    # runc would take them as alternatives.
    for group in GROUPS:
        indices = [rule["index"] for rule in group.get("args", ())]
        assert len(indices) == len(set(indices))


def test_conditions_look_only_at_the_bits_that_the_kernel_looks_at() -> None:
    for rule in chain.from_iterable(group.get("args", ()) for group in GROUPS):
        assert rule["op"] == "SCMP_CMP_MASKED_EQ"
        assert rule["value"] < HIGH
        assert rule["valueTwo"] & ~rule["value"] == 0


@by_title(DENIED)
def test_the_profile_refuses(call: Call) -> None:
    assert decide(call.name, call.args) == call.errno


@by_title(ALLOWED)
def test_the_profile_allows(call: Call) -> None:
    assert decide(call.name, call.args) == 0


@pytest.mark.docker
@pytest.mark.hostile
@by_title(DENIED)
def test_the_kernel_refuses(call: Call, confined: dict[str, int]) -> None:
    assert confined[call.title] == call.errno


@pytest.mark.docker
@by_title(ALLOWED)
def test_the_kernel_allows(call: Call, confined: dict[str, int]) -> None:
    assert confined[call.title] == call.errno


@pytest.mark.docker
@pytest.mark.parametrize("title", " ".join(SEEN_WITHOUT_FILTER.split()).split(", "))
def test_without_the_profile_the_kernel_answers_otherwise(
    title: str, confined: dict[str, int], unconfined: dict[str, int]
) -> None:
    assert unconfined[title] != confined[title]


@pytest.mark.docker
def test_the_kernel_knows_no_call_that_is_newer_than_the_profile(confined: dict[str, int]) -> None:
    # Libraries try an older one then; after EPERM they would give up.
    assert confined["newer"] == ENOSYS


@pytest.mark.docker
@pytest.mark.hostile
def test_a_call_of_a_32_bit_program_kills_its_process(
    confined: dict[str, int], unconfined: dict[str, int]
) -> None:
    # A kernel without 32-bit programs kills it too, by another signal.
    expected = -signal.SIGSYS if unconfined["int 0x80"] == 0 else -signal.SIGSEGV
    assert confined["int 0x80"] == expected
    assert confined["x32"] in (ENOSYS, -signal.SIGSYS)


@pytest.mark.docker
@pytest.mark.parametrize("script", TRAININGS.values(), ids=TRAININGS)
def test_training_works_under_the_profile(script: str, engine: "APIClient", image: str) -> None:
    lines = "\n".join(line[8:] for line in script.splitlines())
    status, output = run_python(engine, image, PROFILE_TEXT, lines)
    assert status == 0, output
