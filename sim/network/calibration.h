// How far real kernels fall short of line rates: few physical parameters, fitted to single kernels and collectives.
#pragma once
#include <string>
#include <vector>

#include "core/config.h"
#include "core/units.h"
#include "spec/hardware.h"

namespace moesim {

/// The default-constructed one is the uncalibrated machine: full line rates, no software latency.
struct NetworkCalibration {
  /// What one kind of exchange kernel reaches.
  struct Kernel {
    double nvlink_share = 1;  // of the GPU's NVLink rate that payload reaches
    double nic_share = 1;     // of the adapter's rate
    Time launch{};            // from the call to the first byte, and from the last byte to the end
    Bytes message{};          // payload-equivalent cost of one message
    Bandwidth sm_rate{};      // what one SM copies; 0: the SMs never limit
    double forward_tail = 0;  // share of the forwarded bytes that crosses NVLink only after the last arrived by adapter
    static void fields(auto& f, auto& p) {
      f("nvlink_share", p.nvlink_share, "of the NVLink rate that payload reaches");
      f("nic_share", p.nic_share, "of the adapter's rate that payload reaches");
      f("launch", p.launch, "fixed time of one kernel");
      f("message", p.message, "cost of one message, as bytes");
      f("sm_rate", p.sm_rate, "bytes a second one SM copies; 0: SMs never limit");
      f("forward_tail", p.forward_tail, "share of forwarded bytes not overlapped with receiving");
    }
  };
  /// How library collectives move data: the library takes whichever protocol is fastest for the size.
  struct Protocol {
    double nvlink_share = 1, nic_share = 1;  // of line rate that payload reaches
    Time launch{};                           // fixed time of one call
    Time step{};                             // one NVLink step of a ring or tree; 0: the link's latency
    static void fields(auto& f, auto& p) {
      f("nvlink_share", p.nvlink_share, "of the NVLink rate that payload reaches");
      f("nic_share", p.nic_share, "of the adapter's rate that payload reaches");
      f("launch", p.launch, "fixed time of one call");
      f("step", p.step, "one NVLink step of a ring or tree; 0: the link's latency");
    }
  };

  std::string name = "none", title = "line rates, no software costs";
  Kernel normal, low_latency;
  std::vector<Protocol> collectives{Protocol{}};
  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "what it was fitted to");
    f("normal", p.normal, "exchange kernels that copy with SMs");
    f("low_latency", p.low_latency, "exchange kernels driven by the adapters");
    f("collectives", p.collectives, "protocols of library collectives, from the smallest messages to the largest");
  }
};

/// `name`: a catalogue entry of hardware/ with `type: network_calibration`, a YAML path, or "none".
/// Throws ConfigError for an unknown name, a share outside (0, 1], a tail outside [0, 1].
NetworkCalibration load_network_calibration(const std::string& name, const std::string& beside = "");
/// "auto": network-<the GPU's name> if there is one, else the calibration of its nearest kin; see `moesim show`.
NetworkCalibration network_calibration_for(const std::string& name, const Gpu& gpu, const std::string& beside = "");
}  // namespace moesim
