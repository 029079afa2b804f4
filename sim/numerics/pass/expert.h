// The feed-forward networks of one layer: dense, shared, and the routed experts a token was sent to.
#pragma once
#include <span>

#include "numerics/algebra/elementwise.h"
#include "numerics/pass/arithmetic.h"
#include "numerics/pass/gate.h"

namespace moesim::numerics {

/// out (rows, hidden) = down(activate(gate(x), up(x))) on all threads.
void feed_forward(const Machine& machine, const FfnWeights& w, Activation activation, LinearRole role, const Matrix& x,
                  Matrix& out);

/// Adds to out (tokens, hidden) what the routed experts give for x (tokens, hidden): sum of weight * expert(x), or for
/// Llama-4 (weight_on_input) expert(weight * x).  The tokens of one expert are gathered and multiplied as one matrix;
/// experts run beside each other; a token's sum is in the order of its choices.
/// scratch: one a thread.
void run_experts(const Machine& machine, const spec::Model& model, Weights& weights, int layer, const Routing& routing,
                 const Matrix& x, std::vector<WeightScratch>& scratch, Matrix& out);

/// Its first and last steps.  gather: the rows of x behind `choices`, positions in the routing's (tokens, top_k) list.
void gather(const spec::Model& model, const Routing& routing, std::span<const int> choices, const Matrix& x,
            Matrix& rows);
/// results: (tokens * top_k, hidden), a row a choice; adds their weighted sums to out (tokens, hidden).
void combine(const Machine& machine, const spec::Model& model, const Routing& routing, const Matrix& results,
             Matrix& out);
}  // namespace moesim::numerics
