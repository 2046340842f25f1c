"""The one table of CPUID features: names, places, and all that the program knows of each.

A row has the bit's number, its name as /proc/cpuinfo spells it (qemu's or the manuals' where it
has no word there), then:

* the effect on a program that was started where the bit is set, and goes on where it is not:
  ``crash`` (its instructions are undefined there: SIGILL), ``wrong`` (its instructions mean
  something else there: wrong results in silence), ``slower`` (its instructions do nothing there,
  or work more slowly), ``kernel`` (only kernels use it, or the OpenVZ kernels do not enable it
  for programs); ``-`` where nothing is judged by it;
* the state that it needs beside integer registers: ``fpu`` (x87, MMX, SSE), ``xsave`` (the kernel
  must have turned XSAVE on: only XSAVE holds the state, or it is of XSAVE's own instructions);
* marks: ``o`` OpenVZ's kernels print the name in /proc/cpuinfo; ``r`` where any Linux prints it
  there, the bit is set in CPUID; ``v`` OpenVZ's kernels compare it; ``s`` it stays: programs do
  not ask for it before they use it, or enter the kernel by it, so hiding it helps no program;
* ``needs=`` features without which the CPU cannot have it; ``word=`` the kernel's word where it
  compares it by another name; ``qemu=`` qemu's name where it is not this one with hyphens;
  ``old=`` what older kernels call it in /proc/cpuinfo;
* what Todd Allen's cpuid calls it, after each ``|``.

Sources: Intel SDM volume 2 (CPUID, and each instruction's exceptions), volume 1, chapters 13 to 15
(what has to be looked at before an instruction set is used); AMD APM volume 3, appendix E; Linux,
arch/x86/include/asm/cpufeatures.h from 2.6.18 to 6.12 for the names, arch/x86/kernel/cpu/amd.c and
cpuid-deps.c; /proc/cpuinfo of the recorded boots, and cpufeature.h of 2.6.32-042stab141.3; what
cpuid 20230120 prints for each bit when it is set alone (cpuid -f), on CPUs of five vendors, and
output of earlier versions for other words.

sep, syscall and lm are the kernel's affair: programs enter it as it tells them to, and
CPT_TEST_VECAPS tests all three by bits of their own. mmxext has no effect: SSE has all its
instructions. avx512* count as enabled (COMPONENTS in cpu_traits.py says why). Words that kernels
set on their own account have no mark ``r``, though they are spelled as bits: arat and hypervisor
on some CPUs.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, cast

from simulator.facts.cpuid import CpuidTable, Key, MissingLeafError, RegisterName, Registers

_TABLE = """\
CPUID 0x00000001 0 edx
 0 fpu                 crash  fpu   ors | x87 FPU on chip
 1 vme                 kernel -     or | VME: virtual-8086 mode enhancement
 2 de                  kernel -     or | DE: debugging extensions
 3 pse                 kernel -     or | PSE: page size extensions
 4 tsc                 crash  -     ors | TSC: time stamp counter
 5 msr                 kernel -     or | RDMSR and WRMSR support
 6 pae                 kernel -     or | PAE: physical address extensions
 7 mce                 kernel -     or | MCE: machine check exception
 8 cx8                 crash  -     ors | CMPXCHG8B inst.
 9 apic                kernel -     or | APIC on chip
11 sep                 kernel -     orvs word=sysenter | SYSENTER and SYSEXIT
12 mtrr                kernel -     or | MTRR: memory type range registers
13 pge                 kernel -     or | PTE global bit
14 mca                 kernel -     or | MCA: machine check architecture
15 cmov                crash  -     orvs | CMOV: conditional move/compare instr | conditional move/compare instruction
16 pat                 kernel -     or | PAT: page attribute table
17 pse36               kernel -     or | PSE-36: page size extension
18 pn                  -      -     or | PSN: processor serial number
19 clflush             crash  -     ors | CLFLUSH instruction
21 dts                 -      -     or   qemu=ds | DS: debug store
22 acpi                -      -     or | ACPI: thermal monitor and clock ctrl
23 mmx                 crash  fpu   orvs | MMX Technology
24 fxsr                crash  fpu   orvs | FXSAVE/FXRSTOR
25 sse                 crash  fpu   orvs | SSE extensions
26 sse2                crash  fpu   orvs | SSE2 extensions
27 ss                  -      -     or | SS: self snoop
28 ht                  -      -     or | hyper-threading / multi-core supported
29 tm                  -      -     or | TM: therm. monitor
30 ia64                -      -     or | IA64
31 pbe                 -      -     or | PBE: pending break event
CPUID 0x00000001 0 ecx
 0 pni                 crash  fpu   or | PNI/SSE3: Prescott New Instructions
 1 pclmulqdq           crash  fpu   or | PCLMULDQ instruction
 2 dtes64              -      -     or | DTES64: 64-bit debug store
 3 monitor             kernel -     or | MONITOR/MWAIT
 4 ds_cpl              -      -     or | CPL-qualified debug store
 5 vmx                 kernel -     or | VMX: virtual machine extensions
 6 smx                 kernel -     or | SMX: safer mode extensions
 7 est                 kernel -     or | Enhanced Intel SpeedStep Technology
 8 tm2                 -      -     or | TM2: thermal monitor 2
 9 ssse3               crash  fpu   or   needs=pni | SSSE3 extensions
10 cid                 -      -     or | context ID: adaptive or shared L1 data
11 sdbg                -      -     r | SDBG: IA32_DEBUG_INTERFACE
12 fma                 crash  xsave or   needs=avx | FMA instruction
13 cx16                crash  -     or | CMPXCHG16B instruction
14 xtpr                -      -     or | xTPR disable
15 pdcm                kernel -     or | PDCM: perfmon and debug
17 pcid                kernel -     or | PCID: process context identifiers
18 dca                 -      -     or | DCA: direct cache access
19 sse4_1              crash  fpu   orv  needs=ssse3 qemu=sse4.1 | SSE4.1 extensions
20 sse4_2              crash  fpu   orv  needs=sse4_1 qemu=sse4.2 | SSE4.2 extensions
21 x2apic              kernel -     or | x2APIC: extended xAPIC support
22 movbe               crash  -     or | MOVBE instruction
23 popcnt              crash  -     or | POPCNT instruction
24 tsc_deadline_timer  -      -     r    qemu=tsc-deadline | time stamp counter deadline
25 aes                 crash  fpu   orv  word=aesni | AES instruction
26 xsave               crash  xsave orv | XSAVE/XSTOR states
27 osxsave             -      -     - | OS-enabled XSAVE/XSTOR
28 avx                 crash  xsave orv  needs=sse4_2,xsave | AVX: advanced vector extensions
29 f16c                crash  xsave or   needs=avx | F16C half-precision convert instruction
30 rdrand              crash  -     orv | RDRAND instruction
31 hypervisor          -      -     o | hypervisor guest status
CPUID 0x00000007 0 ebx
 0 fsgsbase            kernel -     or | FSGSBASE instructions
 1 tsc_adjust          kernel -     r | IA32_TSC_ADJUST MSR supported
 2 sgx                 -      -     r | SGX: Software Guard Extensions supported
 3 bmi1                crash  -     or | BMI1 instructions
 4 hle                 slower -     or | HLE hardware lock elision
 5 avx2                crash  xsave or   needs=avx | AVX2: advanced vector extensions 2
 6 fdp_excptn_only     -      -     - | FDP_EXCPTN_ONLY
 7 smep                kernel -     or | SMEP supervisor mode exec protection
 8 bmi2                crash  -     or | BMI2 instructions
 9 erms                slower -     or | enhanced REP MOVSB/STOSB
10 invpcid             kernel -     or | INVPCID instruction
11 rtm                 crash  -     or | RTM: restricted transactional memory
12 cqm                 -      -     r | RDT-CMT/PQoS cache monitoring
13 zero_fcs_fds        -      -     - | deprecated FPU CS/DS
14 mpx                 slower xsave or   needs=xsave | MPX: intel memory protection extensions
15 rdt_a               -      -     r | RDT-CAT/PQE cache allocation
16 avx512f             crash  xsave or   needs=avx2 | AVX512F: AVX-512 foundation instructions
17 avx512dq            crash  xsave or   needs=avx512f | AVX512DQ: double & quadword instructions
18 rdseed              crash  -     or | RDSEED instruction
19 adx                 crash  -     or | ADX instructions
20 smap                kernel -     or | SMAP: supervisor mode access prevention
21 avx512ifma          crash  xsave r    needs=avx512f | AVX512IFMA: integer fused multiply add
22 pcommit             -      -     r | PCOMMIT instruction
23 clflushopt          crash  -     or | CLFLUSHOPT instruction
24 clwb                crash  -     or | CLWB instruction
25 intel_pt            -      -     r | Intel processor trace
26 avx512pf            crash  xsave or   needs=avx512f | AVX512PF: prefetch instructions
27 avx512er            crash  xsave or   needs=avx512f | AVX512ER: exponent & reciprocal instrs
28 avx512cd            crash  xsave or   needs=avx512f | AVX512CD: conflict detection instrs
29 sha_ni              crash  fpu   r | SHA instructions
30 avx512bw            crash  xsave or   needs=avx512f | AVX512BW: byte & word instructions
31 avx512vl            crash  xsave or   needs=avx512f | AVX512VL: vector length
CPUID 0x00000007 0 ecx
 0 prefetchwt1         slower -     - | PREFETCHWT1
 1 avx512vbmi          crash  xsave r    needs=avx512f | AVX512VBMI: vector byte manipulation
 2 umip                kernel -     r | UMIP: user-mode instruction prevention
 3 pku                 kernel -     r    needs=xsave | PKU protection keys for user-mode
 4 ospke               -      -     - | OSPKE CR4.PKE and RDPKRU/WRPKRU
 5 waitpkg             crash  -     r | WAITPKG instructions
 6 avx512_vbmi2        crash  xsave r    needs=avx512f qemu=avx512vbmi2 | AVX512_VBMI2: byte VPCOMPRESS, VPEXPAND
 7 shstk               -      -     - | CET_SS: CET shadow stack
 8 gfni                crash  fpu   r | GFNI: Galois Field New Instructions
 9 vaes                crash  xsave r    needs=avx,aes | VAES instructions
10 vpclmulqdq          crash  xsave r    needs=avx,pclmulqdq | VPCLMULQDQ instruction
11 avx512_vnni         crash  xsave r    needs=avx512f qemu=avx512vnni | AVX512_VNNI: neural network instructions
12 avx512_bitalg       crash  xsave r    needs=avx512f qemu=avx512bitalg | AVX512_BITALG: bit count/shiffle
13 tme                 -      -     r | TME: Total Memory Encryption
14 avx512_vpopcntdq    crash  xsave r    needs=avx512f | AVX512: VPOPCNTDQ instruction
16 la57                kernel -     r | LA57: 57-bit addrs & 5-level paging
22 rdpid               crash  -     r | RDPID: read processor ID supported
23 key_locker          -      -     - | KL: key locker
24 bus_lock_detect     -      -     r | bus lock detection
25 cldemote            slower -     r | CLDEMOTE supports cache line demote
27 movdiri             crash  -     r | MOVDIRI instruction
28 movdir64b           crash  -     r | MOVDIR64B instruction
29 enqcmd              kernel -     r | ENQCMD instruction
30 sgx_lc              -      -     r    qemu=sgxlc | SGX_LC: SGX launch config supported
31 pks                 -      -     - | PKS: supervisor protection keys
CPUID 0x00000007 0 edx
 1 sgx_keys            -      -     - | SGX-KEYS: SGX attestation services
 2 avx512_4vnniw       crash  xsave r    needs=avx512f | AVX512_4VNNIW: neural network instrs
 3 avx512_4fmaps       crash  xsave r    needs=avx512f | AVX512_4FMAPS: multiply acc single prec
 4 fsrm                slower -     r | fast short REP MOV
 5 uintr               kernel -     - | UINTR: user interrupts
 8 avx512_vp2intersect crash  xsave r    needs=avx512f | AVX512_VP2INTERSECT: intersect mask regs
 9 srbds_ctrl          -      -     - | IA32_MCU_OPT_CTRL SRBDS mitigation MSR
10 md_clear            -      -     r | VERW MD_CLEAR microcode support
11 rtm_always_abort    -      -     - | RTM transaction always aborts
13 tsx_force_abort     -      -     - | IA32_TSX_FORCE_ABORT MSR
14 serialize           crash  -     r | SERIALIZE instruction
15 hybrid_cpu          -      -     - | hybrid part
16 tsxldtrk            crash  -     r    qemu=tsx-ldtrk | TSXLDTRK: TSX suspend load addr tracking
18 pconfig             -      -     r | PCONFIG instruction
19 arch_lbr            -      -     r | LBR: architectural last branch records
20 ibt                 -      -     r | CET_IBT: CET indirect branch tracking
22 amx_bf16            kernel -     r    needs=amx_tile | AMX-BF16: tile bfloat16 support
23 avx512_fp16         crash  xsave r    needs=avx512f | AVX512_FP16: fp16 support
24 amx_tile            kernel -     r    needs=xsave | AMX-TILE: tile architecture support
25 amx_int8            kernel -     r    needs=amx_tile | AMX-INT8: tile 8-bit integer support
26 spec_ctrl           -      -     - | IBRS/IBPB: indirect branch restrictions
27 stibp               -      -     - | STIBP: 1 thr indirect branch predictor
28 flush_l1d           -      -     r | L1D_FLUSH: IA32_FLUSH_CMD MSR
29 arch_capabilities   -      -     r | IA32_ARCH_CAPABILITIES MSR
30 core_capabilities   -      -     -    qemu=core-capability | IA32_CORE_CAPABILITIES MSR
31 ssbd                -      -     - | SSBD: speculative store bypass disable
CPUID 0x00000007 1 eax
 0 sha512              crash  xsave r    needs=avx2
 1 sm3                 crash  xsave r    needs=avx
 2 sm4                 crash  xsave r    needs=avx2
 3 rao_int             -      -     - | RAO-INT atomic instructions
 4 avx_vnni            crash  xsave r    needs=avx2 | AVX-VNNI: AVX VNNI neural network instrs
 5 avx512_bf16         crash  xsave r    needs=avx512f | AVX512_BF16: bfloat16 instructions
 6 lass                -      -     - | LASS: linear address space separation
 7 cmpccxadd           crash  -     r | CMPccXADD instructions
 8 arch_perfmon_ext    -      -     - | ArchPerfmonExt is valid
10 fzrm                slower -     r | fast zero-length MOVSB
11 fsrs                slower -     r | fast short STOSB
12 fsrc                slower -     r | fast short CMPSB, SCASB
17 fred                -      -     -
18 lkgs                -      -     -
19 wrmsrns             -      -     - | WRMSRNS instruction
21 amx_fp16            kernel -     r    needs=amx_tile | AMX-FP16: FP16 tile operations
22 hreset              -      -     - | HRESET: history reset support
23 avx_ifma            crash  xsave r    needs=avx2 | AVX-IFMA: integer fused multiply add
26 lam                 -      -     r | LAM: linear address masking
27 msrlist             -      -     - | RDMSRLIST, WRMSRLIST instructions
CPUID 0x00000007 1 edx
 4 avx_vnni_int8       crash  xsave -    needs=avx2 | AVX-VNNI-INT8 instructions
 5 avx_ne_convert      crash  xsave -    needs=avx2 | AVX-NE-CONVERT instructions
 8 amx_complex         kernel -     -    needs=amx_tile
10 avx_vnni_int16      crash  xsave -    needs=avx2
14 prefetchi           slower -     - | PREFETCHIT0, PREFETCHIT1 instructions
19 avx10               crash  xsave -    needs=avx2
21 apx_f               kernel -     -    needs=xsave
CPUID 0x0000000d 1 eax
 0 xsaveopt            crash  xsave or   needs=xsave | XSAVEOPT instruction
 1 xsavec              crash  xsave or   needs=xsave | XSAVEC instruction
 2 xgetbv1             crash  xsave or   needs=xsave | XGETBV instruction
 3 xsaves              kernel -     or   needs=xsave | XSAVES/XRSTORS instructions
 4 xfd                 -      -     - | XFD: extended feature disable supported
CPUID 0x80000001 0 edx
11 syscall             kernel -     orvs | SYSCALL and SYSRET instructions
19 mp                  -      -     or | multiprocessing capable
20 nx                  kernel -     or | execution disable | no-execute page protection
22 mmxext              -      -     or | AMD multimedia instruction extensions
25 fxsr_opt            kernel -     or   old=ffxsr | SSE extensions
26 pdpe1gb             kernel -     or | 1-GB large page support
27 rdtscp              crash  -     or | RDTSCP
29 lm                  kernel -     ors | 64-bit extensions technology available | long mode (AA-64) | AA-64
30 3dnowext            crash  fpu   orv  needs=3dnow | 3DNow! instruction extensions
31 3dnow               crash  fpu   orv | 3DNow! instructions
CPUID 0x80000001 0 ecx
 0 lahf_lm             crash  -     or | LAHF/SAHF supported in 64-bit mode
 1 cmp_legacy          -      -     or | CMP Legacy
 2 svm                 kernel -     or | SVM: secure virtual machine
 3 extapic             -      -     or | extended APIC space
 4 cr8_legacy          -      -     or   qemu=cr8legacy old=altmovcr8,cr8legacy | AltMovCr8
 5 abm                 wrong  -     or | LZCNT advanced bit manipulation
 6 sse4a               crash  fpu   orv  needs=pni | SSE4A support
 7 misalignsse         crash  fpu   or | misaligned SSE mode
 8 3dnowprefetch       slower -     or | 3DNow! PREFETCH/PREFETCHW instructions
 9 osvw                -      -     or | OS visible workaround
10 ibs                 kernel -     or | instruction based sampling
11 xop                 crash  xsave or   needs=avx old=sse5 | XOP support
12 skinit              kernel -     or | SKINIT/STGI support
13 wdt                 -      -     or | watchdog timer support
15 lwp                 kernel -     or   needs=xsave | lightweight profiling support
16 fma4                crash  xsave or   needs=avx | 4-operand FMA instruction
17 tce                 -      -     r | TCE: translation cache extension
19 nodeid_msr          -      -     or | NodeId MSR C001100C
21 tbm                 crash  -     or | TBM support
22 topoext             kernel -     or | topology extensions
23 perfctr_core        -      -     or | core performance counter extensions
24 perfctr_nb          -      -     r | NB/DF performance counter extensions
26 bpext               -      -     r | data breakpoint extension
27 ptsc                -      -     r | performance time-stamp counter support
28 perfctr_llc         -      -     r    old=perfctr_l2 | LLC performance counter extensions
29 mwaitx              crash  -     r | MWAITX/MONITORX supported
30 addr_mask_ext       -      -     - | Address mask extension support
CPUID 0x80000008 0 ebx
 0 clzero              crash  -     r | CLZERO instruction
 1 irperf              -      -     r | instructions retired count support
 2 xsaveerptr          -      -     r | always save/restore error pointers
 3 invlpgb             -      -     - | INVLPGB instruction
 4 rdpru               crash  -     r | RDPRU instruction
 6 mba                 -      -     - | memory bandwidth enforcement
 8 mcommit             -      -     - | MCOMMIT instruction
 9 wbnoinvd            kernel -     r | WBNOINVD instruction
12 amd_ibpb            -      -     -    qemu=ibpb | IBPB: indirect branch prediction barrier
14 amd_ibrs            -      -     -    qemu=ibrs | IBRS: indirect branch restr speculation
15 amd_stibp           -      -     - | STIBP: 1 thr indirect branch predictor
17 amd_stibp_always_on -      -     - | CPU prefers: STIBP always on
23 amd_ppin            -      -     - | ppin processor id number supported
24 amd_ssbd            -      -     - | SSBD: speculative store bypass disable
25 virt_ssbd           -      -     - | virtualized SSBD
26 amd_ssb_no          -      -     -    qemu=amd-no-ssb | SSBD fixed in hardware
27 cppc                -      -     - | CPPC: collaborative processor perf ctrl
28 amd_psfd            -      -     - | PSFD: predictive store forward disable
29 btc_no              -      -     - | not vulnerable to branch type confusion
30 ibpb_ret            -      -     -
31 brs                 -      -     - | branch sampling feature support
CPUID 0x00000006 0 eax
 0 dtherm              -      -     -
 1 ida                 -      -     -
 2 arat                -      -     -
 3 pln                 -      -     -
 6 pts                 -      -     -
 7 hwp                 -      -     -
CPUID 0x80000007 0 edx
 8 invtsc              -      -     -
 9 cpb                 -      -     -
CPUID 0x8000000a 0 edx
 0 npt                 -      -     -
 1 lbrv                -      -     -
 2 svm_lock            -      -     -
 3 nrip_save           -      -     -
 4 tsc_scale           -      -     -
 5 vmcb_clean          -      -     -
 6 flushbyasid         -      -     -
 7 decodeassists       -      -     -
10 pausefilter         -      -     -    qemu=pause-filter
12 pfthreshold         -      -     -
13 avic                -      -     -
15 v_vmsave_vmload     -      -     -
16 vgif                -      -     -
18 x2avic              -      -     -
20 v_spec_ctrl         -      -     -
25 vnmi                -      -     -
28 svme_addr_chk       -      -     -
CPUID 0x80860001 0 edx
 0 recovery            -      -     r
 1 longrun             -      -     r
 3 lrti                -      -     r
CPUID 0xc0000001 0 edx
 2 rng                 -      -     r
 3 rng_en              -      -     r
 6 ace                 -      -     r
 7 ace_en              -      -     r
 8 ace2                -      -     r
 9 ace2_en             -      -     r
10 phe                 -      -     r
11 phe_en              -      -     r
12 pmm                 -      -     r
13 pmm_en              -      -     r
"""  # noqa: E501 (a row is a line)

_ALL_BITS = 0xFFFF_FFFF
_NOTHING: dict[str, str] = {}


class Feature(NamedTuple):
    """One bit of an answer of CPUID; ``name`` is empty where it has none.

    ``mask`` is the feature's bit in masks of features: plain integers in which each register of
    the table has 32 bits, in the table's order.
    """

    name: str
    leaf: int
    subleaf: int
    register: RegisterName
    bit: int
    mask: int = 0
    effect: str = ""
    state: str = ""
    marks: str = ""
    needs: tuple[str, ...] = ()
    word: str = ""
    qemu_name: str = ""
    old_names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def location(self) -> tuple[int, int, RegisterName, int]:
        """The leaf, subleaf, register and bit, as ``CpuidTable.has_bit`` takes them."""
        return self.leaf, self.subleaf, self.register, self.bit

    @property
    def place(self) -> str:
        """Where CPUID has the bit, for people."""
        subleaf = f" subleaf {self.subleaf}" if self.subleaf else ""
        return f"CPUID {self.leaf:#010x}{subleaf} {self.register} bit {self.bit}"

    @property
    def is_printed(self) -> bool:
        """Whether OpenVZ's kernels print the name in /proc/cpuinfo."""
        return "o" in self.marks

    @property
    def is_told(self) -> bool:
        """Whether CPUID has the bit wherever a Linux prints the name in /proc/cpuinfo."""
        return "r" in self.marks

    @property
    def always_stays(self) -> bool:
        """Whether hiding the bit would help no program."""
        return "s" in self.marks

    def is_in(self, cpuid: CpuidTable) -> bool | None:
        """Tell whether a CPU has it; None where that was not recorded."""
        try:
            return cpuid.has_bit(*self.location)
        except MissingLeafError:
            return None


def _parse_table() -> Iterator[Feature]:
    shift = -32
    for line in _TABLE.splitlines():
        row, *labels = line.split(" | ")
        first, name, effect, state, *more = row.split()
        if first == "CPUID":
            leaf, subleaf, register = int(name, 16), int(effect), cast("RegisterName", state)
            shift += 32
            continue
        marks, *others = more
        told = dict(other.split("=") for other in others) if others else _NOTHING
        yield Feature(
            name,
            leaf,
            subleaf,
            register,
            int(first),
            1 << shift + int(first),
            "" if effect == "-" else effect,
            "" if state == "-" else state,
            marks.strip("-"),
            tuple(told["needs"].split(",")) if "needs" in told else (),
            told.get("word") or (name if "v" in marks else ""),
            told.get("qemu") or name.replace("_", "-"),
            tuple(told["old"].split(",")) if "old" in told else (),
            tuple(labels),
        )


#: Every feature, in the order of the table.
FEATURES = tuple(_parse_table())
BY_NAME: Mapping[str, Feature] = MappingProxyType({one.name: one for one in FEATURES})
BY_WORD: Mapping[str, Feature] = MappingProxyType({one.word: one for one in FEATURES if one.word})
_BY_POSITION = {one.mask.bit_length(): one for one in FEATURES}

#: Features that kernels compare.
AES = BY_WORD["aesni"]
AMD_3DNOW = BY_WORD["3dnow"]
AMD_3DNOWEXT = BY_WORD["3dnowext"]
AVX = BY_WORD["avx"]
CMOV = BY_WORD["cmov"]
FXSR = BY_WORD["fxsr"]
MMX = BY_WORD["mmx"]
RDRAND = BY_WORD["rdrand"]
SEP = BY_WORD["sysenter"]
SSE = BY_WORD["sse"]
SSE2 = BY_WORD["sse2"]
SSE4A = BY_WORD["sse4a"]
SSE4_1 = BY_WORD["sse4_1"]
SSE4_2 = BY_WORD["sse4_2"]
SYSCALL = BY_WORD["syscall"]
XSAVE = BY_WORD["xsave"]

#: Others that rules name.
LONG_MODE = BY_NAME["lm"]
OSPKE = BY_NAME["ospke"]
OSXSAVE = BY_NAME["osxsave"]
XSAVEOPT = BY_NAME["xsaveopt"]

#: The masks of those that the verdict on programs judges, and of those of them that need XSAVE.
JUDGED = sum(one.mask for one in FEATURES if one.effect)
OF_XSAVE = sum(one.mask for one in FEATURES if one.state == "xsave")

#: The bit in masks of what is judged, by its name and by the kernel's word for it.
MASKS: Mapping[str, int] = MappingProxyType(
    {name: one.mask for one in FEATURES if one.effect for name in (one.name, one.word) if name}
)


def _sections() -> Mapping[Key, Sequence[tuple[int, int]]]:
    """Return the registers of each leaf: a register's place in ``Registers``, and its shift."""
    sections: dict[Key, dict[int, int]] = {}
    for one in FEATURES:
        if one.effect:
            register = Registers._fields.index(one.register)
            shift = one.mask.bit_length() - 1 - one.bit
            sections.setdefault((one.leaf, one.subleaf), {})[register] = shift
    return {key: tuple(registers.items()) for key, registers in sections.items()}


_SECTIONS = _sections()

#: The mask of what is judged, by leaf and subleaf.
JUDGED_LEAVES: Mapping[Key, int] = MappingProxyType(
    {key: sum(JUDGED & _ALL_BITS << shift for _, shift in _SECTIONS[key]) for key in _SECTIONS}
)


def features_in(mask: int) -> Iterator[Feature]:
    """Yield the features of a mask, in the order of the table."""
    while mask:
        lowest = mask & -mask
        yield _BY_POSITION[lowest.bit_length()]
        mask ^= lowest


def judged_in(key: Key, registers: Registers) -> int:
    """Return the mask of the judged features that one answer of CPUID has."""
    has = 0
    for register, shift in _SECTIONS[key]:
        has |= registers[register] << shift
    return has & JUDGED


def without_features(key: Key, registers: Registers, mask: int) -> Registers:
    """Return an answer of CPUID without the features of a mask."""
    values = list(registers)
    for register, shift in _SECTIONS[key]:
        values[register] &= ~(mask >> shift) & _ALL_BITS
    return Registers(*values)
