#include "spec/arithmetic.h"

namespace moesim::spec {

FlopRate peak_of(const Gpu& gpu, Dtype dtype) {
  switch (dtype) {
    case Dtype::fp32:
      return {};  // tensor cores take no FP32 operands; a router in FP32 runs as BF16 with FP32 sums
    case Dtype::bf16:
    case Dtype::fp16:
      return gpu.bf16;
    case Dtype::fp8:
      return gpu.fp8;
    case Dtype::fp4:
    case Dtype::nvfp4:
      return gpu.fp4;
    case Dtype::int8:  // weights alone, which kernels widen as they read them
    case Dtype::int4:
    case Dtype::int4_g32:
      return {};
  }
  return {};
}

bool computes_in(const Gpu& gpu, Dtype dtype) { return peak_of(gpu, dtype).v > 0; }
}  // namespace moesim::spec
