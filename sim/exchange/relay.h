// The relay rule of exchanges: which GPU hands on what crosses between nodes, and what that puts on whose ports.
//
// G GPUs on N nodes of P.  Of source s, T(s, n) distinct tokens have a row on node n and C(s, d) on GPU d.
//
//   relay(s, n) = the GPU of node n with the position of s on its own node; on its own node s itself
//                 (a last node of L < P GPUs: the one at position mod L)
//
// Dispatch: s sends each token once to every other node it goes to, over its adapter (NIC) to relay(s, n), which hands
// it on over NVLink to the other GPUs of n that have a row of it.  Combine is the same backwards: what the GPUs of n
// computed of s's tokens meets over NVLink at relay(s, n), which adds it up and sends one row a token over its adapter
// to s.  Tokens on ports, of a dispatch (of a combine out and in change places):
//
//   NIC out(s)    = sum of T(s, n) over nodes n other than s's
//   NIC in(r)     = sum of T(s, node(r)) over s on other nodes with relay(s, node(r)) = r
//   NVLink out(r) = sum of C(s, d) over s with relay(s, node(r)) = r and GPUs d other than r of r's node
//   NVLink in(d)  = sum of C(s, d) over s with relay(s, node(d)) other than d
//   on no port      C(s, d) with relay(s, node(d)) = d
//
// Low-latency kernels have no relays: every row goes straight to its GPU.
#pragma once
#include <cstddef>

#include "spec/group_shape.h"

namespace moesim::exchange {

/// Who on `node` takes in what `source` sends there (dispatch), or adds up what returns to it from there (combine).
inline int relay_of(spec::GroupShape group, int source, int node) {
  const int position = source % group.gpus_per_node, relay = group.first_of(node) + position;
  return relay < group.gpus ? relay : group.first_of(node) + position % group.size_of(node);
}

/// For every other node that tokens of `source` go to, ascending: each(node, relay, tokens).
/// tokens_to_node: (nodes), of this source.
template <class Count, class Each>
void each_crossing(spec::GroupShape group, int source, const Count* tokens_to_node, Each each) {
  const int own = group.node_of(source), nodes = group.nodes();
  for (int node = 0; node < nodes; ++node)
    if (node != own && tokens_to_node[node] > 0) each(node, relay_of(group, source, node), tokens_to_node[node]);
}

/// For every source on another node, ascending, whose tokens for the relay's node pass through `relay`: each(source).
template <class Each>
void each_relayed(spec::GroupShape group, int relay, Each each) {
  const int own = group.node_of(relay), nodes = group.nodes(), apart = group.size_of(own);
  for (int node = 0; node < nodes; ++node)
    for (int at = relay - group.first_of(own); node != own && at < group.size_of(node); at += apart)
      each(group.first_of(node) + at);
}

/// Sources whose tokens for its node pass through `relay`, itself included.  Nodes of one size: one a node.
inline int relayed_sources(spec::GroupShape group, int relay) {
  int count = 1;
  each_relayed(group, relay, [&](int) { ++count; });
  return count;
}

/// Adds what `relay` hands on, on its `node`, of one source: `of_one` for each token.
/// tokens_to_gpu: (gpus), of the source.  handed_on: (gpus, gpus_per_node), [relay][position on its node]; what stays
/// with the relay stands at its own position.
template <class Count, class Sum>
void add_handed_on(spec::GroupShape group, int node, int relay, const Count* tokens_to_gpu, Sum of_one,
                   Sum* handed_on) {
  const Count* const to = tokens_to_gpu + group.first_of(node);
  Sum* const sum = handed_on + std::ptrdiff_t(relay) * group.gpus_per_node;
  const int count = group.size_of(node);
  for (int i = 0; i < count; ++i) sum[i] += Sum(to[i]) * of_one;
}
}  // namespace moesim::exchange
