// The equations: from a kernel's shape and a calibration to seconds.  One file a kind of kernel.
#pragma once
#include "compute/kernels/calibration.h"
#include "compute/kernels/kernel.h"
#include "compute/kernels/recurrent_equations.h"

namespace moesim::compute {

/// The part of a GPU a kernel runs on, in the equations' units.
struct Machine {
  double sms = 0;            // it may use
  double tensor_per_sm = 0;  // FLOP/s of one SM in the kernel's precision, data sheet
  double hbm = 0;            // bytes/s it can draw: its share of the GPU's, and what its SMs can draw
  double hbm_per_sm = 0;     // bytes/s that are one SM's even share
  double hbm_of_gpu = 0;     // bytes/s of the whole GPU, data sheet
  double fill = 1;           // its SMs over the GPU's
  double clock = 1;          // its clock over the data sheet's
  double boost = 1;          // its clock over the clock under sustained load, at which memory-bound rates were measured
  double gap = 0;            // seconds between two kernels of a stream
  double l2 = 0;             // bytes
};

double gemm_seconds(const Gemm& g, const GemmEquation& e, const Machine& on);
double grouped_seconds(const GroupedGemm& g, const GemmEquation& e, const Machine& on);
double prefill_seconds(const AttentionPrefill& a, const AttentionEquation& e, const Machine& on);
double backward_seconds(const AttentionBackward& a, const AttentionEquation& e, const MemoryEquation& memory,
                        const Machine& on);
double decode_seconds(const AttentionDecode& a, const AttentionEquation& e, const Machine& on);
double memory_seconds(const MemoryOp& m, const MemoryEquation& e, const ServingMoves& serving, const Machine& on);
double convolution_seconds(const ShortConvolution& c, const StateEquation& e, const Machine& on);
double recurrence_seconds(const StateScan& s, const StateEquation& e, const Machine& on);
double streams_seconds(const StreamMix& m, const StateEquation& e, const Machine& on);
double scan_seconds(const StateScan& s, const ScanEquation& e, const Machine& on);
double mamba_scan_seconds(const StateScan& s, const MambaScan& e, const Machine& on);
double block_convolution_seconds(const ShortConvolution& c, const BlockConvolution& e, const Machine& on);
double chain_seconds(const SmallChain& s, const MemoryEquation& e);
double scores_seconds(const IndexScores& x, const SparseEquation& e, const Machine& on);
double top_k_seconds(const IndexTopK& t, const SparseEquation& e, const Machine& on);
double sparse_seconds(const SparsePrefill& a, const SparseEquation& e, const Machine& on);
double sparse_backward_seconds(const AttentionBackward& a, const SparseEquation& e, const Machine& on);

/// (a^p + b^p)^(1/p): how two limits of one kernel combine when neither hides the other completely.
double joined(double a, double b, double p);
}  // namespace moesim::compute
