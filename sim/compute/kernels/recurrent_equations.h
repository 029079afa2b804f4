// Parameters of the equations for layers that keep a state; sections of a calibration.
#pragma once
#include "compute/kernels/fitted_range.h"
#include "core/units.h"

namespace moesim::compute {

/// Kernels that read, change and write what they keep of each sequence.
struct StateEquation {
  double hbm = 1;      // share of the data-sheet bandwidth reached
  Time launch{};       // start of the kernel, and its latency
  double overlap = 1;  // p of the norm that joins launch and memory time: 1 adds them
  Time token{};        // of each token of a sequence after its first
  double window = 0;   // convolutions: bytes a channel and such token that are written besides, copies of the window
  FittedRange fitted;  // m: tokens; n: channels or value heads
  bool borrowed = false;
  static void fields(auto& f, auto& p) {
    f("hbm", p.hbm, "share of the HBM bandwidth reached");
    f("launch", p.launch, "start of the kernel, and its latency");
    f("overlap", p.overlap, "p of the norm that joins launch and HBM time (1 adds)");
    f("token", p.token, "of each token of a sequence after its first");
    f("window", p.window, "convolutions: bytes a channel and such token that are written besides");
    f("fitted", p.fitted, "tokens as m, channels or value heads as n");
  }
};

/// Scans of whole prompts.
struct ScanEquation {
  Time launch{};         // start of the kernels
  Time fill{};           // besides, for the products within one whole chunk; shorter sequences take their share
  Time start{};          // one block's: of a sequence and head, its state written at the end
  Time step{};           // from one chunk to the next of a sequence and head
  Time chunk{};          // chained: of one SM within one chunk of a head
  bool chained = false;  // a chain of kernels; false: one block a sequence and head
  double between = 0;    // bytes a token and value head that the chain stores and reads between its kernels
  double hbm = 1;        // share of the data-sheet bandwidth reached
  double overlap = 2;    // p of the norm that joins what goes chunk by chunk and the rest
  FittedRange fitted;    // m: tokens; n: value heads; k: tokens a sequence
  bool borrowed = false;
  static void fields(auto& f, auto& p) {
    f("launch", p.launch, "start of the kernels");
    f("fill", p.fill, "products within one whole chunk, once");
    f("start", p.start, "one block of a sequence and head, beside its chunks");
    f("step", p.step, "from one chunk to the next");
    f("chunk", p.chunk, "chained: of one SM within one chunk of a head");
    f("chained", p.chained, "a chain of kernels; false: one block a sequence and head");
    f("between", p.between, "bytes a token and value head stored and read between the chain's kernels");
    f("hbm", p.hbm, "share of the HBM bandwidth reached");
    f("overlap", p.overlap, "p of the norm that joins what goes chunk by chunk and the rest");
    f("fitted", p.fitted, "tokens as m, value heads as n, tokens a sequence as k");
  }
};

/// Convolutions of prompts by a block of threads for each sequence and channel, which goes through its tokens in
/// pieces: the kernel of Dao's causal-conv1d, that TensorRT-LLM runs.
struct BlockConvolution {
  Time launch{};       // start of the kernel
  Time start{};        // of one wave of blocks
  Time piece{};        // of one wave, for each piece of kConvolutionPiece tokens
  double hbm = 1;      // share of the data-sheet bandwidth reached
  double overlap = 2;  // p of the norm that joins waves and HBM time
  FittedRange fitted;  // m: tokens; n: channels
  bool borrowed = false;
  static void fields(auto& f, auto& p) {
    f("launch", p.launch, "start of the kernel");
    f("start", p.start, "start of one wave of blocks");
    f("piece", p.piece, "of one wave, for each piece of 512 tokens");
    f("hbm", p.hbm, "share of the HBM bandwidth reached");
    f("overlap", p.overlap, "p of the norm that joins waves and HBM time");
    f("fitted", p.fitted, "tokens as m, channels as n");
  }
};

/// Scans of whole prompts by Mamba-2: one block a sequence and head, in waves over the SMs.
struct MambaScan {
  Time launch{};       // start of the kernels
  Time ragged{};       // besides, where sequences do not end with their last chunk: their states are cut out
  Time start{};        // one block's: of a sequence and head
  Time cut{};          // one block's where its sequence ends within a chunk
  Time step{};         // from one chunk to the next, of heads of 64 x 128
  double hbm = 1;      // share of the data-sheet bandwidth reached
  double overlap = 2;  // p of the norm that joins chunks and HBM time
  FittedRange fitted;  // m: tokens; n: heads; k: tokens a sequence
  bool borrowed = false;
  static void fields(auto& f, auto& p) {
    f("launch", p.launch, "start of the kernels");
    f("ragged", p.ragged, "besides, where sequences end within a chunk");
    f("start", p.start, "one block of a sequence and head, beside its chunks");
    f("cut", p.cut, "one block, where its sequence ends within a chunk");
    f("step", p.step, "from one chunk to the next, of heads of 64 x 128");
    f("hbm", p.hbm, "share of the HBM bandwidth reached");
    f("overlap", p.overlap, "p of the norm that joins chunks and HBM time");
    f("fitted", p.fitted, "tokens as m, heads as n, tokens a sequence as k");
  }
};
}  // namespace moesim::compute
