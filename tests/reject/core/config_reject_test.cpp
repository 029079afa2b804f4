#include <gtest/gtest.h>

#include <functional>

#include "core/config.h"
#include "core/family.h"
#include "support/refusal.h"

namespace moesim::core {
namespace {

struct Inner {
  Bytes size = 1_MiB;
  static void fields(auto& f, auto& p) { f("size", p.size, "size of it"); }
};
enum class Colour { red, green };
constexpr auto enum_names(Colour) {
  return std::to_array<std::pair<std::string_view, Colour>>({{"red", Colour::red}, {"green", Colour::green}});
}
struct Sample {
  int replicas = 0;
  double share = 0.5;
  bool on = false;
  Bandwidth link{};
  Time delay = 1_us;
  Colour colour = Colour::red;
  Inner inner;
  std::optional<int> limit;
  std::vector<int> list;
  static void fields(auto& f, auto& p) {
    f("replicas", p.replicas, "extra copies");
    f("share", p.share, "a share");
    f("on", p.on, "a switch");
    f.required("link", p.link, "bandwidth");
    f("delay", p.delay, "a delay");
    f("colour", p.colour, "a colour");
    f("inner", p.inner, "a struct");
    f("limit", p.limit, "an optional limit");
    f("list", p.list, "numbers");
  }
};

std::string message(const std::string& text, const std::vector<Config::Override>& overrides = {}) {
  return test::refusal_of([&] { (void)read<Sample>(Config::from_text(text, "a.yaml", overrides)); });
}

TEST(ConfigReject, SaysWhereAndWhatToWriteInstead) {
  const std::pair<std::string, std::string> cases[] = {
      {"link: 1 GB/s\n", "accepted"},
      {"replica: 3\nlink: 1 GB/s\n", "a.yaml:1:1: unknown key \"replica\"; did you mean \"replicas\"?"},
      {"link: 1 GB/s\nzzz: 3\n",
       "a.yaml:2:1: unknown key \"zzz\"; known keys: replicas, share, on, link, delay, colour, inner, limit, list"},
      {"replicas: 3\n", "a.yaml:1:1: missing key \"link\""},
      {"lnk: 1 GB/s\n", "a.yaml:1:1: missing key \"link\" (is \"lnk\" a typo?)"},
      {"link: 50\n",
       "a.yaml:1:7: link: expected a bandwidth with a unit (B/s, MB/s, GB/s, TB/s, GiB/s, Mbps, Gbps, Tbps), got "
       "\"50\""},
      {"link: -1 GB/s\n", "a.yaml:1:7: link: expected a bandwidth of 0 or more, got \"-1 GB/s\""},
      {"link: 1 GB/s\nreplicas: many\n", "a.yaml:2:11: replicas: expected an integer, got \"many\""},
      {"link: 1 GB/s\nreplicas: 99999999999\n", "a.yaml:2:11: replicas: the integer \"99999999999\" is too large"},
      {"link: 1 GB/s\nreplicas: 1.5\n", "a.yaml:2:11: replicas: expected an integer, got \"1.5\""},
      {"link: 1 GB/s\nshare: nan\n", "a.yaml:2:8: share: expected a number, got \"nan\""},
      {"link: 1 GB/s\non: yes\n", "a.yaml:2:5: on: expected true or false, got \"yes\""},
      {"link: 1 GB/s\ndelay: 200 d\n", "a.yaml:2:8: delay: a time is too large: \"200 d\""},
      {"link: 1 GB/s\ncolour: gren\n", "a.yaml:2:9: colour: \"gren\" is not known here; did you mean \"green\"?"},
      {"link: 1 GB/s\ninner: {sise: 1 B}\n", "a.yaml:2:9: inner: unknown key \"sise\"; did you mean \"size\"?"},
      {"link: 1 GB/s\ninner: 3\n", "a.yaml:2:8: inner: expected a map of keys to values"},
      {"link: 1 GB/s\nlist: 3\n", "a.yaml:2:7: list: expected a list"},
      {"link: 1 GB/s\nlist: [1, x]\n", "a.yaml:2:11: list[1]: expected an integer, got \"x\""},
      {"link: 1 GB/s\nlink: 2 GB/s\n", "a.yaml:2:1: key \"link\" appears twice"},
      {"link: [1\n", "a.yaml:2:1: not valid YAML: end of sequence flow not found"},
      {"", "a.yaml: is empty"},
      {"a: 1\n---\nb: 2\n", "a.yaml: holds 2 YAML documents, expected one"},
      {"base: &b {link: 1 GB/s}\n<<: *b\n", "a.yaml:2:1: merge keys (<<) are not supported; write the keys out"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(message(text), expected) << text;
}

TEST(ConfigReject, OverridesSpeakOfTheCommandLine) {
  const std::string good = "link: 1 GB/s\nlist: [1, 2]\ninner: {size: 1 B}\n";
  EXPECT_EQ(message(good, {{"replicas", "many"}}), "--set replicas: expected an integer, got \"many\"");
  EXPECT_EQ(message(good, {{"inner.size", "3"}}),
            "--set inner.size: expected a size with a unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB), got \"3\"");
  EXPECT_EQ(message(good, {{"list[2]", "3"}}), "--set list[2]: the list has elements 0 to 1, got \"2\"");
  EXPECT_EQ(message(good, {{"link.x", "3"}}), "--set link.x: \"1 GB/s\" is a single value there and has no key \"x\"");
  EXPECT_EQ(message(good, {{"a..b", "3"}}), "--set a..b: expected key.path=value");
  EXPECT_EQ(message(good, {{"inner.size", "[1"}}).substr(0, 34), "--set inner.size: \"[1\" is not vali");
}

TEST(ConfigReject, AnAliasBombIsRefusedBeforeItGrows) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += fmt::format("{}: &{} [", c, c);
    for (int i = 0; i < 10; ++i) bomb += fmt::format("{}*{}", i == 0 ? "" : ", ", char(c - 1));
    bomb += "]\n";
  }
  EXPECT_NE(message(bomb).find("more than 300000 values"), std::string::npos);
}

/// What f, which uses what `config` describes, is refused with.
std::string refusal_at(const Config& config, const std::function<void()>& f) {
  return test::refusal_of([&] { config.placed(f); });
}

TEST(ConfigPlaced, GivesAPlaceToWhatHasNone) {
  const Config c = Config::from_text("a: 1\npools:\n  - kv: {block: 3}\n", "a.yaml");
  const Config pools = c.at("pools");
  EXPECT_EQ(refusal_at(pools, [] { throw ConfigError("too few"); }), "a.yaml:3:3: pools: too few");
  EXPECT_EQ(refusal_at(pools, [] { throw ConfigError("[0].kv.block", "odd"); }), "a.yaml:3:17: pools[0].kv.block: odd");
  EXPECT_EQ(refusal_at(c, [] { throw ConfigError("pools[0].kv.host", "none"); }), "a.yaml:3:9: pools[0].kv.host: none")
      << "the nearest that is written";
  EXPECT_EQ(refusal_at(c, [] { throw ConfigError("b.a", "odd"); }), "a.yaml:1:1: b.a: odd")
      << "a key that is written elsewhere";
  EXPECT_EQ(refusal_at(pools, [&] { c.at("a").fail("odd"); }), "a.yaml:1:4: a: odd") << "it has a place";
  EXPECT_EQ(refusal_at(pools, [] { throw ConfigError::placed("b.csv:7: odd"); }), "b.csv:7: odd");
  EXPECT_EQ(refusal_at(Config(), [] { throw ConfigError("odd"); }), "odd") << "there is no place to give";
  EXPECT_EQ(pools.placed([] { return 7; }), 7);
}

TEST(ConfigPlaced, AValueOfTheCommandLineNamesItsOption) {
  const Config set = Config::from_text("a: {b: 1}\n", "a.yaml", {{"a.b", "2"}});
  EXPECT_EQ(refusal_at(set.at("a"), [] { throw ConfigError("b", "odd"); }), "--set a.b: odd");
  const Config option = Config::from_option("--gate", "{kind: noisy, noise: 1}");
  EXPECT_EQ(refusal_at(option, [] { throw ConfigError("noise", "odd"); }), "--gate: noise: odd");
  EXPECT_EQ(refusal_at(option, [] { throw ConfigError("odd"); }), "--gate: odd");
}

TEST(ConfigPlaced, KeysAndPlacesAreAddedFromWithinToWithout) {
  const auto thrown = [](const std::function<void()>& f) -> std::string {
    try {
      f();
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(thrown([] { at_key("a", [] { at_key("b", [] { throw ConfigError("odd"); }); }); }), "a.b: odd");
  EXPECT_EQ(thrown([] { at_place("--slots", [] { throw ConfigError("odd"); }); }), "--slots: odd");
  EXPECT_EQ(thrown([] { at_place("x", [] { at_key("a", [] { throw ConfigError::placed("y: odd"); }); }); }), "y: odd");
}

TEST(ConfigReject, AFileThatIsNotThereIsRefusedWhereItIsNamed) {
  const Config c = Config::from_text("data: nowhere.csv\n", "folder/a.yaml");
  EXPECT_EQ(refusal_at(c, [&] { (void)read<DataFile>(c.at("data")); }),
            "folder/a.yaml:1:7: data: nowhere.csv: no such file; looked in folder, the working folder");
}

class Shape {
 public:
  virtual ~Shape() = default;
  virtual int corners() const = 0;
};
class Polygon final : public Shape {
 public:
  struct Params {
    int corners = 3;
    static void fields(auto& f, auto& p) { f("corners", p.corners, "how many"); }
  };
  explicit Polygon(Params p) : p_(p) {
    if (p.corners < 3) throw ConfigError("corners", fmt::format("must be at least 3, got {}", p.corners));
    if (p.corners > 9) throw ConfigError("is a circle to the eye");
  }
  int corners() const override { return p_.corners; }

 private:
  Params p_;
};
Family<Shape> shapes() { return Family<Shape>("shape", {strategy<Polygon, Shape>("polygon", "straight sides")}); }

TEST(Family, TakesAMapAWordOrAFallback) {
  EXPECT_EQ(shapes().make(Config::from_text("{kind: polygon, corners: 5}", "a.yaml"))->corners(), 5);
  const Config words = Config::from_text("shape: polygon", "a.yaml");
  EXPECT_EQ(shapes().make(words.at("shape"))->corners(), 3);
  EXPECT_EQ(shapes().make_or(Config::from_text("{other: 1}", "a.yaml"), "shape", "polygon")->corners(), 3);
  EXPECT_EQ(shapes().make_or(Config::from_text("{shape: {corners: 7}}", "a.yaml"), "shape", "polygon")->corners(), 7);
}

TEST(Family, UnknownKindsNameTheNearestOrAll) {
  const auto error = [](const std::string& text) {
    try {
      (void)shapes().make(Config::from_text(text, "a.yaml"));
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(error("kind: polgon"), "a.yaml:1:7: kind: no shape is called \"polgon\"; did you mean \"polygon\"?");
  EXPECT_EQ(error("kind: simulated_annealing"),
            "a.yaml:1:7: kind: no shape is called \"simulated_annealing\"; there are: polygon");
  EXPECT_EQ(error("{kind: polygon, corners: 2}"), "a.yaml:1:26: corners: must be at least 3, got 2");
  EXPECT_EQ(error("{kind: polygon, corners: 10}"), "a.yaml:1:1: is a circle to the eye");
  EXPECT_EQ(error("{kind: polygon, corner: 2}"), "a.yaml:1:17: unknown key \"corner\"; did you mean \"corners\"?");
}
}  // namespace
}  // namespace moesim::core
