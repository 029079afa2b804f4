#include <fmt/format.h>

#include <algorithm>

#include "routing/exporters/exporters.h"

namespace moesim::routing {
namespace {
using Buffer = fmt::memory_buffer;

void put(Buffer& out, std::string_view text) { out.append(text.data(), text.data() + text.size()); }
void put(Buffer& out, std::int64_t number) {
  const fmt::format_int digits(number);
  out.append(digits.data(), digits.data() + digits.size());
}
/// A number, or null where the trace does not know it.
void put_known(Buffer& out, bool known, std::int64_t number) {
  if (known && number >= 0)
    put(out, number);
  else
    put(out, "null");
}
/// The shortest decimal that reads back as the same float.
void put(Buffer& out, float number) { fmt::format_to(fmt::appender(out), "{}", number); }

template <class T>
void put_list(Buffer& out, const T* values, std::size_t n, char separator) {
  for (std::size_t j = 0; j < n; ++j) {
    if (j > 0) out.push_back(separator);
    if constexpr (std::is_same_v<T, float>)
      put(out, values[j]);
    else
      put(out, std::int64_t{values[j]});
  }
}
bool all_absent(const std::int16_t* ids, std::size_t k) {
  return std::all_of(ids, ids + k, [](std::int16_t e) { return e < 0; });
}
}  // namespace

void export_jsonl(const Trace& trace, const Sink& sink) {
  const TraceHeader& h = trace.header();
  const std::size_t k = std::size_t(h.top_k);
  for_each_piece(trace, [&](const TracePiece& p) {
    Buffer out;
    for (std::size_t t = 0; t < p.tokens.size(); ++t) {
      const TraceToken& token = p.tokens[t];
      put(out, "{\"sequence\":");
      put_known(out, h.requests, token.request);
      put(out, ",\"position\":");
      put_known(out, h.requests, token.position);
      put(out, ",\"token\":");
      put_known(out, h.token_ids, token.token);
      put(out, ",\"phase\":\"");
      put(out, name_of(token.phase));
      put(out, "\",\"layers\":{");
      bool first = true;
      for (std::size_t m = 0; m < p.experts.size(); ++m) {
        const std::int16_t* const ids = &p.experts[m][t * k];
        if (all_absent(ids, k)) continue;
        put(out, first ? "\"" : ",\"");
        first = false;
        put(out, std::int64_t{h.layers[m]});
        put(out, "\":{\"experts\":[");
        put_list(out, ids, k, ',');
        out.push_back(']');
        if (h.weights) {
          put(out, ",\"weights\":[");
          put_list(out, &p.weights[m][t * k], k, ',');
          out.push_back(']');
        }
        out.push_back('}');
      }
      put(out, "}}\n");
    }
    sink({out.data(), out.size()});
  });
}

void export_csv(const Trace& trace, const Sink& sink) {
  const TraceHeader& h = trace.header();
  const std::size_t k = std::size_t(h.top_k);
  std::string head = "pass,sequence,position,token,phase,domain,layer";
  for (std::size_t j = 0; j < k; ++j) head += fmt::format(",expert_{}", j);
  for (std::size_t j = 0; h.weights && j < k; ++j) head += fmt::format(",weight_{}", j);
  sink(head + "\n");
  for_each_piece(trace, [&](const TracePiece& p) {
    Buffer out;
    for (std::size_t t = 0; t < p.tokens.size(); ++t) {
      const TraceToken& token = p.tokens[t];
      const std::string start = fmt::format("{},{},{},{},{},{},", token.pass, token.request, token.position,
                                            token.token, name_of(token.phase), h.domains[token.domain]);
      for (std::size_t m = 0; m < p.experts.size(); ++m) {
        put(out, start);
        put(out, std::int64_t{h.layers[m]});
        out.push_back(',');
        put_list(out, &p.experts[m][t * k], k, ',');
        if (h.weights) {
          out.push_back(',');
          put_list(out, &p.weights[m][t * k], k, ',');
        }
        out.push_back('\n');
      }
    }
    sink({out.data(), out.size()});
  });
}

void export_npy(const Trace& trace, const Sink& sink) {
  const TraceHeader& h = trace.header();
  // NumPy's format 1.0: magic, version, length, a Python dictionary padded so that the data is 64-byte aligned.
  std::string head = fmt::format("{{'descr': '<i2', 'fortran_order': False, 'shape': ({}, {}, {}), }}", trace.tokens(),
                                 trace.layers(), h.top_k);
  head.resize((head.size() + 10 + 1 + 63) / 64 * 64 - 11, ' ');
  head += '\n';
  sink(std::string("\x93NUMPY\x01\x00", 8) + char(head.size() & 0xff) + char(head.size() >> 8) + head);
  const std::size_t k = std::size_t(h.top_k), layers = h.layers.size();
  for_each_piece(trace, [&](const TracePiece& p) {
    std::vector<std::int16_t> out(p.tokens.size() * layers * k);
    for (std::size_t m = 0; m < layers; ++m)
      for (std::size_t t = 0; t < p.tokens.size(); ++t)
        std::copy_n(&p.experts[m][t * k], k, &out[(t * layers + m) * k]);
    sink({reinterpret_cast<const char*>(out.data()), out.size() * 2});
  });
}

void export_loads(const Trace& trace, const Sink& sink) {
  const TraceHeader& h = trace.header();
  // Dense layers get a row of zeros when it is known which they are: then row l is the model's layer l.
  const int rows = std::max(h.hidden_layers, h.layers.back() + 1);
  std::vector<std::int64_t> load(std::size_t(h.experts));
  sink("{\"logical_count\": [");
  for (int layer = 0; layer < rows; ++layer) {
    std::fill(load.begin(), load.end(), 0);
    if (const int m = trace.ordinal(layer); m >= 0) trace.load(m, 0, trace.tokens(), load);
    sink(fmt::format("{}[{}]", layer > 0 ? ",\n" : "", fmt::join(load, ", ")));
  }
  sink("]}\n");
}
}  // namespace moesim::routing
