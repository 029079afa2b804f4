#include "network/fitting/knobs.h"

#include <algorithm>

namespace moesim::network {
namespace {
using Kernel = NetworkCalibration::Kernel;
using Protocol = NetworkCalibration::Protocol;
constexpr double kLeast = 1e-9;        // seconds: a time of 0 means something else
constexpr double kMostLaunch = 25e-6;  // of a ring: what else it takes grows with its steps

template <class Part>
Knob share(Part part, double most = 1) {
  return {[part](const NetworkCalibration& c) { return *part(const_cast<NetworkCalibration&>(c)); },
          [part](NetworkCalibration& c, double x) { *part(c) = x; }, most};
}
template <class Part>
Knob time(Part part, double most = std::numeric_limits<double>::infinity()) {
  return {[part](const NetworkCalibration& c) {
            return std::max(kLeast, seconds(*part(const_cast<NetworkCalibration&>(c))));
          },
          [part](NetworkCalibration& c, double x) { *part(c) = from_seconds(std::max(kLeast, x)); }, most};
}
template <class Part>
Knob rate(Part part) {
  return {[part](const NetworkCalibration& c) { return part(const_cast<NetworkCalibration&>(c))->v; },
          [part](NetworkCalibration& c, double x) { part(c)->v = x; }};
}

bool is_library(const NetworkRow& row, bool (*use)(const CollectiveRow&)) {
  const auto* c = std::get_if<CollectiveRow>(&row.call);
  return c && c->mode == CallMode::library && use(*c);
}

/// Launch and step of each protocol, what channels copy; of rings the share and the stores that all of them have in
/// common: LL sends 4 bytes of flags with 4 of data, LL128 8 with 120.  Source: NCCL, src/device/prims_ll.h and
/// prims_ll128.h.
FitPart rings(const NetworkCalibration& start) {
  FitPart part;
  part.belongs = [](const NetworkRow& row) {
    return is_library(row, [](const CollectiveRow& c) { return c.what != Collective::all_to_all; });
  };
  std::size_t bulk = 0;
  for (std::size_t i = 0; i < start.collectives.size(); ++i)
    if (start.collectives[i].shape == CollectiveShape::ring) bulk = i;
  for (std::size_t i = 0; i < start.collectives.size(); ++i) {
    if (start.collectives[i].shape != CollectiveShape::ring) continue;
    part.knobs.push_back(time([i](NetworkCalibration& c) { return &c.collectives[i].launch; }, kMostLaunch));
    part.knobs.push_back(time([i](NetworkCalibration& c) { return &c.collectives[i].step; }));
    if (start.collectives[i].channel_rate.v > 0)
      part.knobs.push_back(rate([i](NetworkCalibration& c) { return &c.collectives[i].channel_rate; }));
  }
  part.knobs.push_back({[bulk](const NetworkCalibration& c) { return c.collectives[bulk].nvlink_share; },
                        [start](NetworkCalibration& c, double x) {
                          int left = 3;  // LL, LL128, bulk
                          constexpr double kOf[] = {1, 120.0 / 128, 0.5};
                          for (std::size_t i = 0; i < c.collectives.size(); ++i)
                            if (start.collectives[i].shape == CollectiveShape::ring)
                              c.collectives[i].nvlink_share = x * kOf[std::max(0, --left)];
                        },
                        1});
  part.knobs.push_back({[bulk](const NetworkCalibration& c) { return c.collectives[bulk].part_rate.v; },
                        [start](NetworkCalibration& c, double x) {
                          for (std::size_t i = 0; i < c.collectives.size(); ++i)
                            if (start.collectives[i].shape == CollectiveShape::ring) c.collectives[i].part_rate.v = x;
                        }});
  return part;
}

FitPart pairs(const NetworkCalibration& start) {
  FitPart part;
  part.belongs = [](const NetworkRow& row) {
    return is_library(row, [](const CollectiveRow& c) { return c.what == Collective::all_to_all; });
  };
  std::vector<std::size_t> stores;
  for (std::size_t i = 0; i < start.collectives.size(); ++i) {
    if (start.collectives[i].shape != CollectiveShape::pairs) continue;
    part.knobs.push_back(time([i](NetworkCalibration& c) { return &c.collectives[i].launch; }));
    if (start.collectives[i].channel_rate.v > 0) {
      part.knobs.push_back(time([i](NetworkCalibration& c) { return &c.collectives[i].step; }));
      part.knobs.push_back(rate([i](NetworkCalibration& c) { return &c.collectives[i].channel_rate; }));
    } else {
      part.knobs.push_back(share([i](NetworkCalibration& c) { return &c.collectives[i].nvlink_share; }));
      if (start.collectives[i].part_rate.v > 0) stores.push_back(i);
    }
  }
  if (!stores.empty())  // one for all
    part.knobs.push_back({[at = stores[0]](const NetworkCalibration& c) { return c.collectives[at].part_rate.v; },
                          [stores](NetworkCalibration& c, double x) {
                            for (const std::size_t i : stores) c.collectives[i].part_rate.v = x;
                          }});
  return part;
}

FitPart in_switch(const NetworkCalibration& start) {
  FitPart part;
  part.belongs = [](const NetworkRow& row) {
    return is_library(row, [](const CollectiveRow& c) { return c.what == Collective::all_reduce && c.in_switch; });
  };
  for (std::size_t i = 0; i < start.collectives.size(); ++i) {
    if (start.collectives[i].shape != CollectiveShape::in_switch) continue;
    part.knobs.push_back(time([i](NetworkCalibration& c) { return &c.collectives[i].launch; }));
    part.knobs.push_back(share([i](NetworkCalibration& c) { return &c.collectives[i].nvlink_share; }));
  }
  return part;
}
/// The kernels of one engine, replayed: eager calls wait for the host.  What is the library's beyond the kernels'
/// sizes says nothing of them.
FitPart engine(const NetworkCalibration& start, std::size_t at) {
  const NetworkCalibration::EngineAllReduce& kernels = start.engine_all_reduce[at];
  FitPart part;
  part.belongs = [name = kernels.kernels, most = kernels.most, read = kernels.most_read](const NetworkRow& row) {
    const auto* c = std::get_if<CollectiveRow>(&row.call);
    if (!c || c->mode != CallMode::graph || c->engine != name) return false;
    return (most.v == 0 || c->bytes <= most) && (read.v == 0 || c->bytes.v * (c->gpus - 1) <= read.v);
  };
  part.knobs.push_back(time([at](NetworkCalibration& c) { return &c.engine_all_reduce[at].launch; }));
  part.knobs.push_back(time([at](NetworkCalibration& c) { return &c.engine_all_reduce[at].peer; }));
  part.knobs.push_back(share([at](NetworkCalibration& c) { return &c.engine_all_reduce[at].nvlink_share; }));
  if (kernels.second.v > 0)
    part.knobs.push_back(time([at](NetworkCalibration& c) { return &c.engine_all_reduce[at].second; }));
  return part;
}
}  // namespace

std::vector<FitPart> fit_parts(const NetworkCalibration& start) {
  std::vector<FitPart> out;
  for (FitPart part : {rings(start), pairs(start), in_switch(start)})
    if (!part.knobs.empty()) out.push_back(std::move(part));
  for (std::size_t i = 0; i < start.engine_all_reduce.size(); ++i) out.push_back(engine(start, i));
  for (FitPart& part : exchange_parts()) out.push_back(std::move(part));
  return out;
}
}  // namespace moesim::network
