// DeepSeek-V4's attention: one key and value head for all query heads, over a window of tokens as they are and entries
// that each stand for several.  Source: transformers' modeling_deepseek_v4.py; config.json of DeepSeek-V4-Flash and
// Pro.
#pragma once
#include <vector>

namespace moesim::spec {

struct CompressedShape {
  int window = 0;                          // tokens that every layer reads as they are
  int output_groups = 0, output_rank = 0;  // heads are projected to a latent group by group, these to the model's width
  int indexed = 0;           // layers whose entries are of so many tokens: these overlap, and an indexer picks some
  std::vector<int> entries;  // tokens an entry of each layer, then of each MTP module; 0: the window alone

  static void fields(auto& f, auto& p) {
    f.required("window", p.window, "tokens that every layer reads as they are");
    f.required("output_groups", p.output_groups, "groups of heads, each with an output projection of its own");
    f.required("output_rank", p.output_rank, "width that a group of heads is projected to");
    f.required("indexed", p.indexed, "an indexer picks among entries of so many tokens, and they overlap");
    f.required("entries", p.entries, "tokens an entry stands for in each layer, MTP modules last; 0: the window alone");
  }
};
}  // namespace moesim::spec
