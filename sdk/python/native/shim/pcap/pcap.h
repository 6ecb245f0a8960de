/* Stands for libpcap's header where ingest/record_filter.h names it: the extension has no filters. */
#pragma once

struct bpf_program {
  unsigned int bf_len;
  void* bf_insns;
};
