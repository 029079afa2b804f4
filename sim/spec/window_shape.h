// The heads of windowed layers where they are others than those of a model's other layers: more query heads (Step-3.7),
// more KV heads and sinks (MiMo-V2), narrower ones (Gemma-4).  Source: the released config.json files and their makers'
// code.
#pragma once

namespace moesim::spec {

struct WindowShape {
  int heads = 0, kv_heads = 0;
  int head_dim = 0, v_head_dim = 0;
  bool sinks = false;  // one learned logit a head

  static void fields(auto& f, auto& p) {
    f.required("heads", p.heads, "query heads");
    f.required("kv_heads", p.kv_heads, "key and value heads");
    f.required("head_dim", p.head_dim, "width of a query or key head");
    f.required("v_head_dim", p.v_head_dim, "width of a value head");
    f("sinks", p.sinks, "one learned logit a head joins the softmax");
  }
};
}  // namespace moesim::spec
