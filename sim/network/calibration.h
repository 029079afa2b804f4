// How far real kernels fall short of line rates: few physical parameters, fitted to single kernels and collectives.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/units.h"
#include "spec/hardware.h"

namespace moesim::network {

/// What a protocol of library collectives serves: steps to a neighbour, every pair at once, or sums in the NVSwitch.
enum class CollectiveShape { any, ring, pairs, in_switch };
constexpr auto enum_names(CollectiveShape) {
  return std::to_array<std::pair<std::string_view, CollectiveShape>>({{"any", CollectiveShape::any},
                                                                      {"ring", CollectiveShape::ring},
                                                                      {"pairs", CollectiveShape::pairs},
                                                                      {"in_switch", CollectiveShape::in_switch}});
}

/// The default-constructed one is the uncalibrated machine: full line rates, no software latency.
struct NetworkCalibration {
  /// What one direction of one kind of exchange kernel reaches.
  struct Kernel {
    double nvlink_share = 1;  // of the GPU's NVLink rate that payload reaches
    double nic_share = 1;     // of the adapter's rate
    Time launch{};            // of one call, whatever it moves
    Bandwidth row_rate{};     // at which a row passes through one warp, once a call; 0: at once
    Time count{};             // for each slot of the group: its count is sent to all
    Bytes message{};          // what a row costs beside its bytes, as bytes
    Bytes token{};            // what a token costs the SMs on each node it reaches, beside its rows, as bytes
    double token_rows = 0;    // the same in rows
    double lead = 0;          // tokens an SM handles with nothing else to do: the first one's way through
    double fill = 0;          // tokens besides, once there are many: until all queues are full
    double fill_at = 1;       // tokens an SM at which that is half reached
    Bandwidth sm_rate{};      // what one SM copies; 0: the SMs never limit
    Time pace{};         // of low-latency kernels: an SM's for a token that it sends; as many send as there are slots
    double overlap = 8;  // of copying and sending: time = (copy^overlap + send^overlap)^(1/overlap); 1: one by one
    double forward_tail = 0;  // share of what relays hand on that moves only after the last has come in
    double relay_rows = 0;    // rows besides that SMs copy for a token on each other node: staged, taken in, handed on
    Time notify{};            // over several nodes: the kernel before it, of barriers and counts
    Time peer{};              // for each other node: it is posted to one after the other
    Time post{};              // over adapters: from posting till what was posted has been fetched
    Time nic_count{};         // for each slot whose count crosses an adapter, besides `count`
    static void fields(auto& f, auto& p) {
      f("nvlink_share", p.nvlink_share, "of the NVLink rate that payload reaches");
      f("nic_share", p.nic_share, "of the adapter's rate that payload reaches");
      f("launch", p.launch, "fixed time of one call");
      f("row_rate", p.row_rate, "at which a row passes through one warp, once a call; 0: at once");
      f("count", p.count, "for each expert slot of the group, whose counts are exchanged");
      f("message", p.message, "what a row costs beside its bytes, as bytes");
      f("token", p.token, "what a token costs the SMs on each node it reaches, beside its rows, as bytes");
      f("token_rows", p.token_rows, "the same in rows");
      f("lead", p.lead, "tokens an SM handles with nothing else to do, however few there are");
      f("fill", p.fill, "the same besides, once there are many");
      f("fill_at", p.fill_at, "tokens an SM at which half of `fill` is reached");
      f("sm_rate", p.sm_rate, "what one SM copies; 0: SMs never limit");
      f("pace", p.pace,
        "of low-latency kernels: an SM's for a token that it sends; as many SMs send as there are slots");
      f("overlap", p.overlap, "exponent that joins copying and sending; 1: one after the other");
      f("forward_tail", p.forward_tail, "share of what relays hand on that is not overlapped with receiving");
      f("relay_rows", p.relay_rows, "rows besides that SMs copy for a token on each node but its own");
      f("notify", p.notify, "over several nodes: the kernel before it, of barriers and counts");
      f("peer", p.peer, "for each other node, posted to one after the other");
      f("post", p.post, "over adapters: from posting till what was posted has been fetched");
      f("nic_count", p.nic_count, "for each slot whose count crosses an adapter, besides count");
    }
  };
  /// What a library thinks a protocol takes, by which it chooses; published constants, and not what is true.
  struct Estimate {
    double share = 0;         // of line rate, on NVLink and adapters; 0: the library knows the true time
    Time launch{};            // fixed time of one call
    Time step{}, nic_step{};  // one step of a ring or tree inside a node, and between nodes
    Bandwidth most{},
        nic_most{};  // what one member sends at most, in a group inside a node and of several; 0: any rate
    static void fields(auto& f, auto& p) {
      f("share", p.share, "of line rate that payload is thought to reach; 0: the library knows the true time");
      f("launch", p.launch, "fixed time of one call");
      f("step", p.step, "one step of a ring or tree inside a node");
      f("nic_step", p.nic_step, "one step between nodes");
      f("most", p.most, "what one member sends at most in a group inside a node; 0: no limit");
      f("nic_most", p.nic_most, "the same in a group of several nodes");
    }
  };
  /// One way in which library collectives move data.  Of those for a shape it takes the one it thinks fastest.
  struct Protocol {
    CollectiveShape shape = CollectiveShape::any;
    double nvlink_share = 1, nic_share = 1;  // of line rate that payload reaches
    Time launch{};                           // fixed time of one call
    Time step{};                             // one NVLink step of a ring or tree; 0: the link's latency
    Bandwidth part_rate{};     // at which a member stores what it keeps and no sending hides; 0: takes no time
    Bandwidth channel_rate{};  // at which one channel copies, beside the links; 0: channels never limit
    int channels = 1;          // at most, of a ring; a pair has one
    Bytes grain{};             // that a channel moves at a time, and that fill it before another opens; 0: any number
    Time post{};               // what a step between nodes takes besides latency: threads of the host post and poll
    Estimate estimate{};
    static void fields(auto& f, auto& p) {
      f("shape", p.shape, "what it is for: rings (and trees), pairs, in_switch sums, or any");
      f("nvlink_share", p.nvlink_share, "of the NVLink rate that payload reaches");
      f("nic_share", p.nic_share, "of the adapter's rate that payload reaches");
      f("launch", p.launch, "fixed time of one call");
      f("step", p.step, "one NVLink step of a ring or tree; 0: the link's latency");
      f("post", p.post, "what a step between nodes takes besides latency: threads of the host post and poll");
      f("part_rate", p.part_rate, "at which a member stores its own part (a ring with channels: all parts it keeps)");
      f("channel_rate", p.channel_rate, "at which one channel copies what it sends; 0: channels never limit");
      f("channels", p.channels, "of a ring, all open once each has a grain to move; a pair has one");
      f("grain", p.grain, "bytes that a channel moves at a time; 0: any number");
      f("estimate", p.estimate, "what the library thinks it takes, by which it chooses among protocols");
    }
  };

  /// The all-reduce kernels that inference engines bring for one node: every member reads the others' vectors (one
  /// shot), or its part of them and then everyone's sums (two shots), whichever is faster; larger ones are the
  /// library's.
  struct EngineAllReduce {
    std::string kernels;        // whose
    Time launch{};              // of one call replayed from a graph, with the barrier
    Time peer{};                // for each other member
    double nvlink_share = 1;    // of the NVLink rate that reading reaches
    Time second{};              // what a second shot takes besides; 0: there is none
    Bytes most{}, most_read{};  // the largest vector, and the most that one shot reads; 0: any
    static void fields(auto& f, auto& p) {
      f.required("kernels", p.kernels, "whose: sglang, vllm, trtllm");
      f("launch", p.launch, "of one call replayed from a graph, with the barrier");
      f("peer", p.peer, "for each other member");
      f("nvlink_share", p.nvlink_share, "of the NVLink rate that reading reaches");
      f("second", p.second, "what a second shot takes besides; 0: one shot only");
      f("most", p.most, "the largest vector; above it the library's all-reduce; 0: any");
      f("most_read", p.most_read, "the most that a member reads in one shot; 0: any");
    }
  };

  /// Whether the protocol is for the shape.
  static bool serves(const Protocol& protocol, CollectiveShape shape) {
    return protocol.shape == CollectiveShape::any || protocol.shape == shape;
  }
  /// How the largest messages travel between pairs.
  const Protocol& bulk() const;

  std::string name = "none", title = "line rates, no software costs";
  std::string borrowed;  // what was measured on another GPU, in words; "" for nothing
  Kernel normal_dispatch, normal_combine, low_latency_dispatch, low_latency_combine, hybrid_dispatch, hybrid_combine;
  std::vector<Protocol> collectives{Protocol{}};
  std::vector<EngineAllReduce> engine_all_reduce;  // none: engines take the library's
  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "what it was fitted to");
    f("borrowed", p.borrowed, "what was measured on another GPU, in words");
    f("normal_dispatch", p.normal_dispatch, "exchange kernels that copy with SMs, tokens to experts");
    f("normal_combine", p.normal_combine, "the same, experts to tokens");
    f("low_latency_dispatch", p.low_latency_dispatch, "exchange kernels driven by the adapters, tokens to experts");
    f("low_latency_combine", p.low_latency_combine, "the same, experts to tokens");
    f("hybrid_dispatch", p.hybrid_dispatch, "exchange kernels that copy with few SMs by TMA, tokens to experts");
    f("hybrid_combine", p.hybrid_combine, "the same, experts to tokens");
    f("collectives", p.collectives,
      "protocols of library collectives, each shape's from the smallest messages to the largest");
    f("engine_all_reduce", p.engine_all_reduce, "all-reduce kernels of inference engines, for tensor parallelism");
  }
};

/// `name`: a catalogue entry of hardware/ with `type: network_calibration`, a YAML path, or "none".
/// Throws ConfigError for an unknown name, a share outside (0, 1], a tail outside [0, 1], no channels, or no protocol
/// for rings or pairs.
NetworkCalibration load_network_calibration(const std::string& name, const std::string& beside = "");
/// "auto": network-<the GPU's name> if there is one, else that of its generation, or H100's: `borrowed` says which.
NetworkCalibration network_calibration_for(const std::string& name, const spec::Gpu& gpu,
                                           const std::string& beside = "");
}  // namespace moesim::network
