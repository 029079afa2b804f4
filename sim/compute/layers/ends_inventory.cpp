// Operations of the layers' neighbours: embedding, MTP projection, head.
#include "compute/layers/attention_inventory.h"
#include "core/ceil_div.h"

namespace moesim::compute {
void embedding_operations(OperationList& list, const LayerCall& c, Pass pass) {
  const std::int64_t elements = replicated_rows(c) * c.model.hidden;
  if (pass == Pass::forward)
    list.moved("embedding", MemoryKind::copy, elements, spec::Dtype::bf16, elements * c.model.residual_streams,
               spec::Dtype::bf16);
  else if (pass == Pass::weight_gradient)
    list.moved("embedding wgrad", MemoryKind::copy, elements, spec::Dtype::bf16, 2 * elements, spec::Dtype::fp32);
}

void mtp_operations(OperationList& list, const LayerCall& c, Pass pass) {
  const std::int64_t rows = replicated_rows(c), hidden = c.model.hidden;
  switch (pass) {
    case Pass::forward:
      list.norm("norm hidden", rows, hidden);
      list.norm("norm embedding", rows, hidden);
      list.cast("cast", rows * 2 * hidden);
      list.linear("mtp projection", rows, hidden, 2 * hidden);
      return;
    case Pass::backward_input:
      list.cast("cast gradient", rows * hidden);
      list.linear("mtp projection dgrad", rows, 2 * hidden, hidden);
      list.norm_backward("norm hidden backward", rows, hidden);
      list.norm_backward("norm embedding backward", rows, hidden);
      return;
    case Pass::weight_gradient:
      list.weight("mtp projection wgrad", rows, hidden, 2 * hidden);
      return;
  }
}

void head_operations(OperationList& list, const LayerCall& c, Pass pass) {
  const std::int64_t rows = c.batch.outputs, hidden = c.model.hidden;
  const std::int64_t vocabulary = ceil_div(c.model.vocabulary, c.options.tensor);
  // In training the last norm, too, is done on each GPU's part of the sequence; a prompt's last tokens are on every
  // GPU.
  const std::int64_t normed = list.training() && c.options.sequence_parallel ? ceil_div(rows, c.options.tensor) : rows;
  if (rows == 0) return;
  switch (pass) {
    case Pass::forward:
      join_streams(list, c, normed);
      list.norm("norm", normed, hidden);
      list.add(
          "head",
          Gemm{
              .m = rows, .n = vocabulary, .k = hidden, .out = list.training() ? spec::Dtype::bf16 : spec::Dtype::fp32});
      if (list.training())  // the largest logit and the sum of exponentials, then the logit's gradient in place
        list.moved("softmax, loss", MemoryKind::copy, 2 * rows * vocabulary, spec::Dtype::bf16, rows * vocabulary,
                   spec::Dtype::bf16);
      else
        list.moved("sample", MemoryKind::copy, rows * vocabulary, spec::Dtype::fp32, rows, spec::Dtype::fp32);
      return;
    case Pass::backward_input:
      list.add("head dgrad", Gemm{.m = rows, .n = hidden, .k = vocabulary});
      list.norm_backward("norm backward", normed, hidden);
      join_streams_backward(list, c, normed);
      return;
    case Pass::weight_gradient:
      join_stream_weights(list, c, normed);
      list.add("head wgrad", Gemm{.m = vocabulary, .n = hidden, .k = rows, .fp32_accumulate = true});
      return;
  }
}
}  // namespace moesim::compute
