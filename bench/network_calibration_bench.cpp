// Fits the few parameters of hardware/network-h800.yaml and network-h100.yaml to published measurements of single
// exchange kernels and collectives, and prints what is left of them.  Same input, same output.
//
//     network_calibration_bench [FOLDER]    FOLDER: the measurement tables, h100_*.csv
//
// Before anything is fitted, the rows in range are drawn apart: four fifths are fitted, one fifth is held out.  The
// ranges and their reasons stand beside the rows, in calibration/; what lies outside is printed as a prediction.
#include <filesystem>

#include "calibration/collective_rows.h"
#include "calibration/exchange_rows.h"

namespace moesim::calibration {
namespace {
/// Each number's line says where it comes from.
struct Sources {
  std::string_view nvlink, nic, fixed, copy;
};
void print_yaml(std::string_view key, const Kernel& k, const Sources& from) {
  const auto line = [](std::string_view name, const std::string& value, std::string_view source) {
    fmt::print("  {:<30}# {}\n", fmt::format("{}: {}", name, value), source);
  };
  fmt::print("{}:\n", key);
  line("nvlink_share", fmt::format("{:.3f}", k.nvlink_share), from.nvlink);
  line("nic_share", fmt::format("{:.3f}", k.nic_share), from.nic);
  line("launch", fmt::format("{:.2f} us", seconds(k.launch) * 1e6), from.fixed);
  if (k.row_rate.v > 0) line("row_rate", fmt::format("{:.2f} GB/s", k.row_rate.v / 1e9), from.fixed);
  if (k.count.v > 0) line("count", fmt::format("{:.2f} ns", seconds(k.count) * 1e9), from.fixed);
  if (k.message.v > 0) line("message", fmt::format("{} B", k.message.v), from.copy);
  if (k.token.v > 0) line("token", fmt::format("{} B", k.token.v), from.copy);
  if (k.token_rows > 0) line("token_rows", fmt::format("{:.2f}", k.token_rows), from.copy);
  if (k.lead > 0) line("lead", fmt::format("{:.2f}", k.lead), from.copy);
  if (k.fill > 0) line("fill", fmt::format("{:.2f}", k.fill), from.copy);
  if (k.fill > 0) line("fill_at", fmt::format("{:.2f}", k.fill_at), from.copy);
  if (k.sm_rate.v > 0) line("sm_rate", fmt::format("{:.1f} GB/s", k.sm_rate.v / 1e9), from.copy);
  if (k.sm_rate.v > 0) line("overlap", fmt::format("{:.2f}", k.overlap), from.copy);
  if (k.forward_tail > 0) line("forward_tail", fmt::format("{:.3f}", k.forward_tail), from.nic);
  constexpr std::string_view kInForce = "as in force";
  if (k.relay_rows > 0) line("relay_rows", fmt::format("{:.2f}", k.relay_rows), kInForce);
  if (k.notify.v > 0) line("notify", fmt::format("{:.1f} us", seconds(k.notify) * 1e6), kInForce);
  if (k.peer.v > 0) line("peer", fmt::format("{:.2f} us", seconds(k.peer) * 1e6), kInForce);
}
/// One line of what is fitted, one of what is known, one of what the library thinks, each with its source.
void print_protocols(const std::vector<Protocol>& protocols, std::string_view source) {
  fmt::print("collectives:  # Of a shape's protocols the library takes the one with the least `estimate`.\n");
  const auto us = [](Time t) { return seconds(t) * 1e6; };
  for (const Protocol& p : protocols) {
    std::string fitted = fmt::format("shape: {}, nvlink_share: {:.3f}, launch: {:.2f} us, step: {:.3f} us",
                                     name_of(p.shape), p.nvlink_share, us(p.launch), us(p.step));
    if (p.part_rate.v > 0) fitted += fmt::format(", part_rate: {:.1f} GB/s", p.part_rate.v / 1e9);
    if (p.channel_rate.v > 0) fitted += fmt::format(", channel_rate: {:.2f} GB/s", p.channel_rate.v / 1e9);
    fmt::print("  - {{{},  # {}\n", fitted, source);
    std::string known = fmt::format("nic_share: {:.3f}", p.nic_share);
    if (p.post.v > 0) known += fmt::format(", post: {:.2f} us", us(p.post));
    if (p.channels > 1) known += fmt::format(", channels: {}, grain: {} B", p.channels, p.grain.v);
    known += p.estimate.share > 0 ? ",  # assumed: " : "}  # assumed: ";
    known += p.nic_share < kNicShare ? "as in bulk, less the flags sent with the data" : "as DeepEP's kernels on H800";
    if (p.channels > 1) known += "; NCCL 2.29.2: 24 channels of 512 threads that move 8 bytes";
    if (p.post.v > 0) known += "; post: 62 us at 64 B on 16 nodes of H100, NCCL issue 1469";
    fmt::print("     {}\n", known);
    if (p.estimate.share <= 0) continue;
    const network::NetworkCalibration::Estimate& e = p.estimate;
    std::string thought = fmt::format("share: {:.3f}, launch: {:.1f} us, step: {:.1f} us, nic_step: {:.1f} us", e.share,
                                      us(e.launch), us(e.step), us(e.nic_step));
    if (e.most.v > 0)
      thought += fmt::format(", most: {:.1f} GB/s, nic_most: {:.1f} GB/s", e.most.v / 1e9, e.nic_most.v / 1e9);
    fmt::print("     estimate: {{{}}}}}  # NCCL 2.29.2, src/graph/tuning.cc\n", thought);
  }
}

std::vector<double> errors_of(const ExchangeModel& model, const std::vector<ExchangeRow>& rows, const Kernel& kernel) {
  std::vector<double> out;
  for (const ExchangeRow& row : rows) out.push_back(std::log(model(row, kernel) / row.measured));
  return out;
}
/// Every n-th of many, so that a fit takes seconds.
std::vector<ExchangeRow> some(const std::vector<ExchangeRow>& rows, std::size_t most) {
  std::vector<ExchangeRow> out;
  const std::size_t stride = std::max<std::size_t>(1, rows.size() / most);
  for (std::size_t i = 0; i < rows.size(); i += stride) out.push_back(rows[i]);
  return out;
}

/// NVLink's rate that anything reaches: 160 of 200 GB/s.  Source: arXiv:2505.09343, section 4.3.
constexpr double kReached = 0.8;

/// A dispatch costs the SMs a fixed time a token (which GPUs does it go to?), a combine further rows (the sum's), and
/// its first token a way through.
Kernel normal_kernel(network::ExchangeDirection direction, const std::vector<double>& x) {
  Kernel k;
  k.nvlink_share = std::min(kReached, x[0]);
  k.launch = from_seconds(x[1]);
  k.sm_rate = {x[2]};
  k.message = {std::int64_t(x[3])};
  k.overlap = std::max(1.0, x[4]);
  k.fill = x[5];
  k.fill_at = x[6];
  if (direction == kDispatch) {
    k.token = {std::int64_t(x[7])};
  } else {
    k.token_rows = x[7];
    k.lead = x[8];
  }
  return k;
}
Kernel low_latency_kernel(const std::vector<double>& x) {
  Kernel k;
  k.nvlink_share = std::min(1.0, x[0]);
  k.launch = from_seconds(x[1]);
  k.row_rate = {x[2]};
  k.message = {std::int64_t(x[3])};
  k.count = from_seconds(x[4]);
  return k;
}

/// What one use's errors were, kept to be told together at the end.
struct Together {
  std::vector<double> fitted, held_out;
};
void append(std::vector<double>& to, const std::vector<double>& from) { to.insert(to.end(), from.begin(), from.end()); }

void report(std::string_view what, const ExchangeModel& model, const std::vector<ExchangeRow>& rows, const Kernel& k,
            Together& together) {
  const auto errors = [&](Use use) { return errors_of(model, only(rows, use), k); };
  residuals(fmt::format("{}, fitted", what), errors(Use::fitted));
  residuals(fmt::format("{}, held out", what), errors(Use::held_out));
  residuals(fmt::format("{}, out of range", what), errors(Use::out_of_range));
  append(together.fitted, errors(Use::fitted));
  append(together.held_out, errors(Use::held_out));
  std::vector<ExchangeRow> fitted = only(rows, Use::fitted);
  std::ranges::sort(fitted, std::greater<>(),
                    [&](const ExchangeRow& row) { return std::abs(std::log(model(row, k) / row.measured)); });
  for (std::size_t i = 0; i < std::min<std::size_t>(3, fitted.size()); ++i)
    fmt::print("    worst: {:<40} measured {:>9.1f} us  model {:>9.1f} us\n", fitted[i].name, fitted[i].measured * 1e6,
               model(fitted[i], k) * 1e6);
}

/// What several nodes take besides, as in force for H100: moesim calibrate fits it to tables of two nodes.
Kernel over_nodes(Kernel k, const Kernel& in_force) {
  k.relay_rows = in_force.relay_rows;
  k.notify = in_force.notify;
  k.peer = in_force.peer;
  return k;
}

std::vector<Kernel> fit_h800(Kernel normal_dispatch, Kernel normal_combine) {
  const H800 model;
  std::vector<ExchangeRow> all = h800_normal();
  const auto normal = [&](const std::vector<double>& x) {
    return [&, x](const ExchangeRow& row) {
      Kernel k = row.spec.direction == kDispatch ? normal_dispatch : normal_combine;  // SMs and launch as on H100
      k.nvlink_share = std::min(1.0, x[0]);
      k.nic_share = std::min(1.0, x[1]);
      k.forward_tail = std::min(1.0, x[2]);
      return k;
    };
  };
  const std::vector<double> n = fit(
      {0.7, 0.85, 0.05}, [&](const auto& x) { return model.errors(all, normal(x)); }, 3000, 0.5);
  std::vector<ExchangeRow> low = h800_low_latency();
  const auto low_latency = [](const std::vector<double>& x) {
    return [x](const ExchangeRow&) {
      Kernel k;
      k.nvlink_share = std::min(1.0, x[0]);
      k.nic_share = std::min(1.0, x[1]);
      k.launch = from_seconds(x[2]);
      return k;
    };
  };
  const std::vector<double> l = fit(
      {0.8, 0.9, 20e-6}, [&](const auto& x) { return model.errors(low, low_latency(x)); }, 3000, 0.3);
  std::vector<double> every;
  const auto rows = [&](const std::vector<ExchangeRow>& list, const std::vector<double>& errors) {
    for (std::size_t i = 0; i < list.size(); ++i)
      fmt::print("  {:<44} measured {:>7.1f} us  model {:>7.1f} us  {:>+6.1f} %\n", list[i].name,
                 list[i].measured * 1e6, list[i].measured * std::exp(errors[i]) * 1e6, 100 * (std::exp(errors[i]) - 1));
    every.insert(every.end(), errors.begin(), errors.end());
  };
  fmt::print("\nH800, 3 parameters for the 6 normal rows, 3 for the 12 low-latency rows\n");
  rows(all, model.errors(all, normal(n)));
  rows(low, model.errors(low, low_latency(l)));
  residuals("H800, all", every);
  return {normal(n)(all[0]), normal(n)(all[1]), low_latency(l)(low[0]), low_latency(l)(low[0])};
}

std::vector<Protocol> fit_collectives(const std::string& folder) {
  const network::Topology node(cluster_of(8, 450_GBps));
  const std::vector<CollectiveRow> rows = nccl_rows(folder);
  const FirstGuess guess = first_guess();
  std::vector<double> x;
  append(x, guess.rings);
  append(x, guess.pairs);
  append(x, guess.in_switch);
  // The three shapes share no parameter: each is fitted to its own rows, which takes fewer steps than all at once.
  std::size_t first = 0;
  const auto fit_part = [&](const std::vector<double>& part, auto&& belongs) {
    std::vector<CollectiveRow> mine;
    for (const CollectiveRow& row : only(rows, Use::fitted))
      if (belongs(row)) mine.push_back(row);
    const auto with = [&](const std::vector<double>& values) {
      std::vector<double> all = x;
      std::ranges::copy(values, all.begin() + std::ptrdiff_t(first));
      return all;
    };
    x = with(fit(
        part, [&](const auto& values) { return collective_errors(node, mine, protocols(with(values))); }, 4000, 0.6));
    first += part.size();
  };
  const auto pairs = [](const CollectiveRow& row) { return row.what == network::Collective::all_to_all; };
  fit_part(guess.rings, [&](const CollectiveRow& row) { return !pairs(row); });
  fit_part(guess.pairs, pairs);
  fit_part(guess.in_switch,
           [](const CollectiveRow& row) { return row.what == network::Collective::all_reduce && row.half; });
  const std::vector<Protocol> out = protocols(x);
  const auto tell = [&](std::string_view what, const std::vector<CollectiveRow>& some) {
    residuals(what, collective_errors(node, some, out));
  };
  fmt::print("\nLibrary collectives on one node of H100, {} parameters\n", x.size());
  tell("collectives, fitted", only(rows, Use::fitted));
  tell("collectives, held out", only(rows, Use::held_out));
  tell("collectives, disturbed: a larger message was faster", only(rows, Use::out_of_range));
  for (const auto& [name, what] : enum_names(network::Collective{}))
    for (const int gpus : {2, 4, 8}) {
      std::vector<CollectiveRow> part;
      for (const CollectiveRow& row : rows)
        if (row.what == what && row.gpus == gpus && row.use != Use::out_of_range) part.push_back(row);
      tell(fmt::format("  {} of {}", name, gpus), part);
    }
  return out;
}

void print_files(const std::vector<Kernel>& h800, std::vector<Kernel> h100, const std::vector<Protocol>& collectives) {
  constexpr std::string_view kKeys[] = {"normal_dispatch", "normal_combine", "low_latency_dispatch",
                                        "low_latency_combine"};
  constexpr std::string_view kReadme = "fitted: DeepEP README, normal and low-latency kernels on H800",
                             kTables = "fitted: aiconfigurator tables, DeepEP on one node of H100",
                             kNccl = "fitted: aiconfigurator tables, NCCL on one node of H100";
  fmt::print("\n# hardware/network-h800.yaml\n");
  for (std::size_t i = 0; i < 4; ++i)
    print_yaml(kKeys[i], h800[i], {kReadme, kReadme, i < 2 ? kTables : kReadme, kTables});
  print_protocols(collectives, kNccl);
  fmt::print("\n# hardware/network-h100.yaml\n");
  for (std::size_t i = 0; i < 4; ++i) {
    h100[i].nic_share = h800[i].nic_share;  // the same adapters, and no table of several nodes
    h100[i].forward_tail = h800[i].forward_tail;
    print_yaml(kKeys[i], h100[i], {kTables, kReadme, kTables, kTables});
  }
  print_protocols(collectives, kNccl);
}

int run(const std::string& folder) {
  const ExchangeModel h100(450_GBps);
  std::vector<Kernel> normal, low;
  Together together;
  for (const network::ExchangeDirection direction : {kDispatch, kCombine}) {
    const std::string_view name = direction == kDispatch ? "dispatch" : "combine";
    const std::vector<ExchangeRow> rows = h100_normal(folder, direction);
    const std::vector<ExchangeRow> sample = some(only(rows, Use::fitted), 500);
    const std::vector<double> guess = direction == kDispatch
                                          ? std::vector{0.7, 25e-6, 27e9, 1200.0, 3.0, 8.0, 9.0, 10000.0}
                                          : std::vector{0.7, 24e-6, 40e9, 1500.0, 5.0, 9.0, 38.0, 4.6, 6.6};
    normal.push_back(normal_kernel(
        direction,
        fit(
            guess, [&](const auto& x) { return errors_of(h100, sample, normal_kernel(direction, x)); }, 8000, 0.4)));
    report(fmt::format("H100 normal {}", name), h100, rows, normal.back(), together);
    const std::vector<ExchangeRow> ll = h100_low_latency(folder, direction);
    const std::vector<ExchangeRow> lls = only(ll, Use::fitted);
    low.push_back(low_latency_kernel(fit(
        {0.55, 7e-6, 8e9, 100, 5e-9}, [&](const auto& x) { return errors_of(h100, lls, low_latency_kernel(x)); }, 4000,
        0.6)));
    report(fmt::format("H100 low latency {}", name), h100, ll, low.back(), together);
  }
  residuals("H100 exchanges, fitted", together.fitted);
  residuals("H100 exchanges, held out", together.held_out);
  const network::NetworkCalibration in_force = network::load_network_calibration("network-h100");
  normal = {over_nodes(normal[0], in_force.normal_dispatch), over_nodes(normal[1], in_force.normal_combine)};
  const std::vector<Protocol> collectives = fit_collectives(folder);
  print_files(fit_h800(normal[0], normal[1]), {normal[0], normal[1], low[0], low[1]}, collectives);
  return 0;
}
}  // namespace
}  // namespace moesim::calibration

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : SOURCE_DIR "/../shared/data/kernels";
  if (!std::filesystem::exists(folder + "/h100_all_to_all_normal.csv")) {
    fmt::print(stderr, "{}: no measurement tables there\n", folder);
    return 2;
  }
  return moesim::calibration::run(folder);
}
