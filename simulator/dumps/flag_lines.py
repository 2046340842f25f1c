"""Lines of flags, as kernels and programs print them: joined where they are wrapped, and read.

Sources: those of facts/features.txt; Linux arch/x86/include/asm/cpufeatures.h.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from simulator.facts.features import FEATURES
from simulator.facts.words import kernels_own_words

#: Wrapped lines that are joined at most, which is those of the longest flags of today by far.
_MOST_PIECES = 256

_FLAGS = re.compile(r"flags\s*:", re.IGNORECASE)
_MANY_FLAGS = 5
_WORDS = re.compile(r"[a-z0-9_.]{1,40}(?:\s+[a-z0-9_.]{1,40})*")

#: Words of Linux's own, and of features that are in no table here (cpufeatures.h, 6.1 and 6.12).
_LINUX_OWN = (
    "acc_power always amd_ibpb_ret amd_lbr_pmc_freeze amd_lbr_v2 apic_msrs_fence art autoibrs "
    "bhi_ctrl bmec call_depth cat_l2 cat_l3 cdp_l2 cdp_l3 clear_bhb_hw clear_bhb_loop "
    "clear_bhb_loop_on_vmexit clear_cpu_buf clear_cpu_buf_vm coherency_sfw_no cpuid cpuid_fault "
    "cqm_mbm_local cqm_mbm_total debug_swap entry_ibpb ept_ad fence_swapgs_kernel "
    "fence_swapgs_user hfi hv_inuse_wr_allowed hw_pstate hwp_highest_perf_change ibpb_brtype "
    "ibpb_exit_to_user ibpb_on_vmexit ibrs_enhanced intel_ppin intel_stibp k8 kernel_ibrs "
    "l1tf_pteinv lfence_rdtsc ls_cfg_ssbd msr_ia32_feat_ctl msr_spec_ctrl msr_tsx_ctrl "
    "no_nested_data_bp no_smm_ctl_msr nonstop_tsc nonstop_tsc_s3 null_sel_clr_base "
    "overflow_recov p3 p4 per_thread_mba perfmon_v2 proc_feedback pvunlock rapl rethunk "
    "retpoline_lfence ring3mwait rrsba_ctrl rsb_ctxsw rsb_vmexit rsb_vmexit_lite sbpb sev "
    "sev_es sev_snp sgx1 sgx2 sgx_edeccssa smba smca sme sme_coherent spec_ctrl_ssbd "
    "spec_store_bypass_disable split_lock_detect srso srso_alias srso_bp_spec_reduce srso_no "
    "srso_user_kernel_no succor svsm syscall32 sysenter32 tdx_guest tdx_host_platform "
    "tsa_fill_no tsa_l1_no tsa_sq_no tsc_known_freq unret use_ibpb use_ibpb_fw use_ibrs_fw "
    "user_shstk v_tsc_aux vcpupreempt verw_clear vm_page_flush vmcall vmmcall vmw_vmmcall "
    "wrmsr_xx_base_ns xcompacted xenpv zen zen1 zen2 zen3 zen4 zen5"
)

#: The word that all flags begin with, which are in the order of words and bits.
_FIRST = FEATURES[0].name

#: The words that flags are made of.
_KNOWN_WORDS = frozenset(
    (
        *(word for feature in FEATURES for word in (feature.name, *feature.old_names)),
        *kernels_own_words(),
        *_LINUX_OWN.split(),
    )
)


def has_flags(line: str) -> bool:
    """Tell whether a line has many words that kernels print among a CPU's flags."""
    return line.count(" ") >= _MANY_FLAGS - 1 and _flag_words(line) >= _MANY_FLAGS


def _flag_words(line: str) -> int:
    return sum(word in _KNOWN_WORDS for word in line.split())


def join_flags(lines: list[str], first: int) -> int:
    """Join the flags that begin on a line; return how many lines they take, 0 for no flags.

    Those that end the text, and are not ended by a newline, end the lines too.
    """
    if not (_FLAGS.match(lines[first]) or (":" in lines[first] and has_flags(lines[first]))):
        return 0
    text, place = lines[first], first + 1
    while place < min(first + _MOST_PIECES, len(lines)) and _is_of_flags(lines[place]):
        text += ("" if _is_cut(text, lines[place]) else " ") + lines[place]
        lines[place - 1 : place + 1] = "", text
        place += 1
    if place < len(lines):
        lines[place - 1], lines[first] = "", text
    return place - first


class Flags(NamedTuple):
    """The words of a line with flags; ``may_be_cut``: they may not be all that were printed."""

    words: str
    may_be_cut: bool = False


def read_flags(lines: Sequence[str], place: int, *, more_follows: bool = False) -> Flags:
    """Return the flags on a line, without a last word that may have been cut.

    They may be cut where some are left out, where words follow that no rule knows, and where the
    text ends within them: it has to go on if ``more_follows``. All begin with the same word.
    """
    text = lines[place].partition(":")[2].strip()
    words = text.split() or [""]
    rest = (lines[number] for number in range(place + 1, len(lines)))
    following = next(filter(None, rest), None)
    if following is None and place + 1 == len(lines):
        if _may_be_cut(words[-1]):
            return Flags(" ".join(words[:-1]), may_be_cut=True)
        return Flags(text, may_be_cut=more_follows or words[0] != _FIRST)
    goes_on = following is not None and _WORDS.fullmatch(following) is not None
    return Flags(text, goes_on or words[0] != _FIRST or "..." in text)


def _may_be_cut(word: str) -> bool:
    """Tell whether a word is none, or the beginning of another."""
    return word not in _KNOWN_WORDS or any(
        one != word and one.startswith(word) for one in _KNOWN_WORDS
    )


def _is_of_flags(line: str) -> bool:
    return bool(_WORDS.fullmatch(line)) and _flag_words(line) * 2 >= len(line.split())


def _is_cut(text: str, rest: str) -> bool:
    """Tell whether a word was cut: a part of it is no word, and both together are one."""
    head, tail = text.rsplit(maxsplit=1)[-1], rest.split(maxsplit=1)[0]
    return head + tail in _KNOWN_WORDS and not {head, tail} <= _KNOWN_WORDS
