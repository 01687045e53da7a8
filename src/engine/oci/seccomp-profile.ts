/** The default system call filter as data: what every container may call, and what it may call under conditions. */
import type { SeccompRule } from '#spec/oci-runtime.ts';

export interface ProfileRule extends Pick<SeccompRule, 'args' | 'errnoRet'> {
  names: readonly string[];
  /** Default: allow. */
  action?: string;
  /** All named conditions must hold; within a list, any of `arches`, all of `caps`. */
  includes?: Conditions;
  /** None of these may hold. */
  excludes?: Conditions;
}

export interface Conditions {
  caps?: readonly string[];
  /** GOARCH terms, `x32` included. */
  arches?: readonly string[];
  /** `major.minor` */
  minKernel?: string;
}

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Allowed in every container. Grouped by what they act on; a name that an architecture lacks is no harm. */
export const everywhere = {
  files: words(`
    access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
    flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64
    ioctl lchown lchown32 link linkat listmount _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat
    name_to_handle_at newfstatat open openat openat2 readahead readlink readlinkat rename renameat renameat2 rmdir
    stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs truncate truncate64
    umask unlink unlinkat utime utimensat utimensat_time64 utimes`),
  attributes: words(`
    fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr
    lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`),
  transfer: words(`
    io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit pipe pipe2 pread64 preadv
    preadv2 pwrite64 pwritev pwritev2 read readv sendfile sendfile64 splice tee vmsplice write writev`),
  waiting: words(`
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect poll ppoll
    ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4`),
  sockets: words(`
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
    recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`),
  memory: words(`
    brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
    mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages`),
  processes: words(`
    execve execveat exit exit_group fork getpgid getpgrp getpid getppid getpriority getrusage getsid gettid kill
    pidfd_open pidfd_send_signal prctl process_mrelease setpgid setpriority setsid times vfork wait4 waitid waitpid`),
  threads: words(`
    futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area
    restart_syscall rseq set_robust_list set_thread_area set_tid_address tgkill tkill uretprobe`),
  identity: words(`
    capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
    getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
    setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32`),
  signals: words(`
    alarm pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn`),
  time: words(`
    adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
    timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime
    timerfd_gettime64 timerfd_settime timerfd_settime64`),
  scheduling: words(`
    getcpu ioprio_get ioprio_set sched_getaffinity sched_getattr sched_getparam sched_get_priority_max
    sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
    sched_setattr sched_setparam sched_setscheduler sched_yield`),
  limits: words('getrlimit prlimit64 setrlimit ugetrlimit'),
  ipc: words(`
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`),
  system: words('getrandom riscv_hwprobe sysinfo uname'),
  sandboxing: words('landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp'),
} as const;

/** Allowed to whoever holds the capability: the call would fail with EPERM without it anyway. */
const byCapability: Record<string, string> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN: `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
    setdomainname sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module init_module finit_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'iopl ioperm',
  CAP_SYS_TIME: 'settimeofday stime clock_settime clock_settime64',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

const byArchitecture: readonly { arches: readonly string[]; names: string }[] = [
  { arches: ['ppc64le'], names: 'sync_file_range2 swapcontext' },
  { arches: ['arm', 'arm64'], names: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls' },
  { arches: ['amd64', 'x32'], names: 'arch_prctl' },
  { arches: ['amd64', 'x32', 'x86'], names: 'modify_ldt' },
  { arches: ['s390', 's390x'], names: 's390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr' },
  { arches: ['riscv64'], names: 'riscv_flush_icache' },
];

const AF_ALG = 38;
const AF_VSOCK = 40;
/** PER_LINUX and PER_LINUX32, each with and without UNAME26, and the value that only asks. */
const HARMLESS_PERSONALITIES = [0x0, 0x0008, 0x20000, 0x20008, 0xffffffff];
/** Every CLONE_NEW* flag that clone(2) takes. */
const NEW_NAMESPACES = 0x7e020000;
const ENOSYS = 38;
const withoutAdmin = { caps: ['CAP_SYS_ADMIN'] };

/** The whole default profile. What no rule allows fails with EPERM. */
export const defaultProfile: readonly ProfileRule[] = [
  { names: Object.values(everywhere).flat() },
  // Before 4.8 a traced process could slip past its filter.
  { names: ['process_vm_readv', 'process_vm_writev', 'ptrace'], includes: { minKernel: '4.8' } },
  // Every address family but AF_ALG (the kernel's crypto, a large surface) and AF_VSOCK (reaches the hypervisor).
  { names: ['socket'], args: [{ index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }] },
  { names: ['socket'], args: [{ index: 0, value: AF_ALG + 1, op: 'SCMP_CMP_EQ' }] },
  { names: ['socket'], args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }] },
  ...HARMLESS_PERSONALITIES.map((value): ProfileRule => ({ names: ['personality'], args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] })),
  ...byArchitecture.map(({ arches, names }): ProfileRule => ({ names: words(names), includes: { arches } })),
  ...Object.entries(byCapability).map(([capability, names]): ProfileRule => ({ names: words(names), includes: { caps: [capability] } })),
  // New processes, but no new namespaces: those are a common first step of kernel exploits.
  {
    names: ['clone'],
    args: [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    excludes: { ...withoutAdmin, arches: ['s390', 's390x'] },
  },
  {
    names: ['clone'],
    args: [{ index: 1, value: NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    includes: { arches: ['s390', 's390x'] },
    excludes: withoutAdmin,
  },
  // Its flags lie in memory, where a filter cannot see; with ENOSYS the C library falls back to clone.
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, excludes: withoutAdmin },
];
