// What `moesim list` says of keys: all that files may hold, from the lists by which they are read.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/listing/reference.h"
#include "core/config.h"
#include "runs/studies.h"
#include "support/command.h"
#include "support/places.h"
#include "support/text.h"

namespace moesim::cli {
namespace {
namespace fs = std::filesystem;

using test::has;

std::vector<fs::path> files_of(const std::string& catalogue) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(fs::path(test::source_dir()) / catalogue))
    if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

/// Every key of `config` is one of those below `places`, and so on down; `kind:` picks one of a family's.
void expect_known(const Config& config, const std::vector<Place>& places) {
  if (config.is_list())
    for (const Config& item : config.items()) expect_known(item, places);
  if (!config.is_map()) return;
  std::vector<Place> known;
  for (const Place& place : places)
    for (Place& inner : below(place)) known.push_back(std::move(inner));
  const std::string kind = config.has("kind") && config.at("kind").is_scalar() ? config.at("kind").text() : "";
  const bool picks = std::ranges::any_of(known, [&](const Place& p) { return !kind.empty() && p.form->kind == kind; });
  for (const std::string& key : config.keys()) {
    std::vector<Place> found;
    for (const Place& p : known)
      if (p.key->name == key && (!picks || p.form->kind.empty() || p.form->kind == kind)) found.push_back(p);
    EXPECT_FALSE(found.empty()) << config.at(key).place() << " is in no section of the reference";
    const bool of_others = !found.empty() && found.front().path == "model.config";  // a config.json's keys
    if (!of_others) expect_known(config.at(key), found);
  }
}

Place top(const std::string& section) { return look_up(section).front(); }

TEST(Reference, HasEveryKeyOfTheScenarios) {
  for (const fs::path& file : files_of("scenarios")) {
    const std::string name = file.stem().string();
    const std::string kind = name.starts_with("size-") ? "plan" : name.starts_with("sweep-") ? "sweep" : "scenario";
    expect_known(Config::load(file.string()), {top(kind)});
  }
}

TEST(Reference, HasEveryKeyOfTheModels) {
  for (const fs::path& file : files_of("models")) expect_known(Config::load(file.string()), {top("model")});
}

TEST(Reference, HasEveryKeyOfTheHardware) {
  for (const fs::path& file : files_of("hardware")) {
    const Config config = Config::load(file.string());
    expect_known(config, {top(config.at("type").text())});
  }
}

TEST(Reference, SaysOfEveryKeyWhatItMeansAndWhatItMayBe) {
  for (const Section& section : sections()) {
    EXPECT_FALSE(section.summary.empty()) << section.name;
    for (const Form& form : section.forms)
      EXPECT_TRUE(form.kind.empty() || !form.summary.empty()) << section.name << " " << form.kind;
    for_each_key(section, [](const Form&, const std::string& path, const KeyHelp& key) {
      EXPECT_FALSE(key.help.empty()) << path << " has no help";
      EXPECT_TRUE(key.type != "any" || lead_of(path)) << path << " may be anything";
    });
  }
}

TEST(Reference, LeadsFromKeysThatAreThereToSectionsThatAre) {
  std::set<std::string> paths;
  for (const Section& section : sections())
    for_each_key(section, [&](const Form&, const std::string& path, const KeyHelp&) { paths.insert(path); });
  for (const Lead& lead : leads()) {
    EXPECT_TRUE(paths.contains(std::string(lead.path))) << lead.path;
    EXPECT_TRUE(lead.to.empty() || !look_up(lead.to).empty()) << lead.to;
  }
}

TEST(Reference, EveryStudyAndFamilyHasASection) {
  for (const runs::StudyEntry& study : runs::studies())
    EXPECT_NE(section_called(study.section), nullptr) << study.section;
  std::set<std::string> kinds;
  for (const Section& section : sections())
    for (const Form& form : section.forms) kinds.insert(form.kind);
  for (const FamilyHelp& family : families()) {
    if (family.name == "gate") continue;  // an option of verbs, which no file names
    for (const auto& entry : family.entries)
      EXPECT_TRUE(kinds.contains(std::string(entry.kind))) << family.name << " " << entry.kind;
  }
}

TEST(Reference, IsTheCommittedDocument) {
  std::ifstream in(test::source_dir() + "/reports/reference.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), reference_markdown()) << "run: moesim list reference > reports/reference.md";
}

TEST(List, ShowsAllOfOneKey) {
  EXPECT_EQ(run_command({"list", "serving.pools.kv.block"}),
            "serving.pools.kv.block\n"
            "  tokens of a page\n"
            "  type      whole number\n"
            "  default   64\n");
  const std::string preemption = run_command({"list", "serving.pools.kv.preemption"});
  EXPECT_TRUE(has(preemption, "  one of    recompute, swap\n")) << preemption;
  const std::string duration = run_command({"list", "serving.duration"});
  EXPECT_TRUE(has(duration, "  units     ps, ns, us, ms, s, min, h, d\n")) << duration;
  const std::string batch = run_command({"list", "training.batch"});
  EXPECT_TRUE(has(batch, "  default   none: it is required\n")) << batch;
}

TEST(List, TakesAPathAsASetOrAMessageWritesIt) {
  const std::string plain = run_command({"list", "serving.pools.kv.block"});
  for (const char* path : {"serving.pools[0].kv.block", "serving.pools.0.kv.block", "serving.pools[].kv.block"})
    EXPECT_EQ(run_command({"list", path}), plain) << path;
}

TEST(List, FollowsAKeyIntoTheSectionItLeadsTo) {
  const std::string rate = run_command({"list", "serving.workload.rate"});
  EXPECT_TRUE(has(rate, "workload.rate\n  requests a second\n")) << rate;
  EXPECT_TRUE(has(rate, "kinds     poisson, gamma")) << rate;
  EXPECT_TRUE(has(run_command({"list", "cluster.node.gpu.memory"}), "device memory"));
  EXPECT_EQ(run_command({"list", "hardware.gpu.memory"}), run_command({"list", "gpu.memory"}));
}

TEST(List, ShowsTheKeysOfASection) {
  const std::string kv = run_command({"list", "serving.pools.kv"});
  for (const char* part : {"serving.pools.kv\n", "  memory_share ", "  watermark ", "number, default 0.01"})
    EXPECT_TRUE(has(kv, part)) << part << " is not in\n" << kv;
  EXPECT_TRUE(has(run_command({"list", "scenario"}), "  seed "));
  EXPECT_TRUE(has(run_command({"list", "training.run"}), "  checkpoint "));
}

TEST(List, FitsEightyColumns) {
  for (const Section& section : sections()) {
    std::istringstream lines(reference_text(look_up(section.name)));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << section.name << ": " << line;
  }
}

TEST(List, NamesTheNearestPath) {
  EXPECT_EQ(run_command({"list", "serving.pools.kv.blok"}),
            "nothing called \"serving.pools.kv.blok\" can be listed; did you mean \"serving.pools.kv.block\"?");
  const std::pair<const char*, const char*> elsewhere[] = {
      {"h100", "moesim show h100 shows it"},
      {"deepseek-v3", "moesim show deepseek-v3 shows it"},
      {"step_time", "it is a metric: moesim list metrics says what each is"},
      {"eplb", "moesim list placement shows it"},
      {"Serving.SLO", "did you mean \"serving.slo\"?"},
      {"something-else", "moesim list says what can be"}};
  for (const auto& [name, hint] : elsewhere)
    EXPECT_EQ(run_command({"list", name}), std::string("nothing called \"") + name + "\" can be listed; " + hint);
  EXPECT_EQ(run_command({"list", "servng"}), "nothing called \"servng\" can be listed; did you mean \"serving\"?");
  EXPECT_EQ(run_command({"list", "watermark"}),
            "nothing called \"watermark\" can be listed; there is serving.pools.kv.watermark");
  EXPECT_EQ(run_command({"list", "serving.duration.more"}),
            "nothing called \"serving.duration.more\" can be listed; serving.duration has no keys below it");
}

TEST(List, PrintsOneJsonObjectOfAKey) {
  const auto json = nlohmann::json::parse(run_command({"list", "serving.pools.kv.block", "--json"}));
  const auto& key = json.at("keys").at(0);
  EXPECT_EQ(key.at("path"), "serving.pools.kv.block");
  EXPECT_EQ(key.at("type"), "whole number");
  EXPECT_EQ(key.at("default"), "64");
  EXPECT_EQ(key.at("required"), false);
}
}  // namespace
}  // namespace moesim::cli
