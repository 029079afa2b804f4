// Reads models and hardware: catalogue entries by name, YAML files by path, and what a scenario writes out itself.
#pragma once
#include <string>
#include <string_view>

#include "core/config.h"
#include "spec/hardware.h"
#include "spec/model.h"

namespace moesim::spec {

/// `name`: a catalogue name, a YAML path, a Hugging Face config.json, or a folder that holds one.
/// `beside`: the file that names it, "" for the command line; its folder is searched first.
/// Throws ConfigError if there is none (naming the nearest) or a value is missing, misspelt or contradicts another.
Model load_model(const std::string& name, const std::string& beside = "");
Gpu load_gpu(const std::string& name, const std::string& beside = "");
Node load_node(const std::string& name, const std::string& beside = "");
Fabric load_fabric(const std::string& name, const std::string& beside = "");
Cluster load_cluster(const std::string& name, const std::string& beside = "");

/// A scenario's value: a name as above, or a map that gives the fields, on top of `extends: NAME` if it has that.
/// Every value in force is noted in `config` for its resolved form.
/// A model may also be {name: NAME, scale: {...}} (spec/scale.h).
Model read_model(const Config& config);
Gpu read_gpu(const Config& config);
Node read_node(const Config& config);
Fabric read_fabric(const Config& config);
/// {node: ..., nodes: 4, fabric: ...}, or the name of a catalogue entry that says so.
Cluster read_cluster(const Config& config);

/// The `type` key of a file in hardware/: gpu, node, fabric, cluster, or another folder's; "" if it has none.
std::string hardware_type(const std::string& file);
}  // namespace moesim::spec
