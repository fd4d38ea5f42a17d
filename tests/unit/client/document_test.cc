// JSON by hand and JSON as YAML; hb's own YAML parser reads back what was written.
#include "client/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "common/config/yaml_node.h"

namespace hb::client {
namespace {

TEST(DocumentTest, QuotesStringsForJson) {
  const struct {
    const char* name;
    std::string text;
    std::string want;
  } kCases[] = {
      {"plain", "web", "\"web\""},
      {"empty", "", "\"\""},
      {"quotes and backslashes", "a\"b\\c", R"("a\"b\\c")"},
      {"control characters", "a\n\t\033\x7f", R"("a\u000a\u0009\u001b\u007f")"},
      {"C1 control", "a\xc2\x9b", R"("a\u009b")"},
      {"beyond ASCII", "1.1 × ttl 東", "\"1.1 × ttl 東\""},
      {"no UTF-8", "a\xff\xc3", R"("a\ufffd\ufffd")"},
      {"overlong, surrogate", "\xc0\x9b\xed\xa0\x80", R"("\ufffd\ufffd\ufffd\ufffd\ufffd")"},
  };
  for (const auto& c : kCases) EXPECT_EQ(JsonString(c.text), c.want) << c.name;
}

TEST(DocumentTest, WritesJsonAsYaml) {
  const struct {
    const char* name;
    const char* json;
    const char* yaml;
  } kCases[] = {
      {"scalars", R"({"name":"a: b # c","count":3,"good":true,"none":null,"share":-1.5e3})",
       "---\nname: \"a: b # c\"\ncount: 3\ngood: true\nnone: null\nshare: -1.5e3\n"},
      {"white space", "{ \"name\" : \"a\" ,\n \"list\" : [ ] }\n", "---\nname: \"a\"\nlist: []\n"},
      {"nested", R"({"outer":{"inner":{"deep":1}},"last":2})",
       "---\nouter:\n  inner:\n    deep: 1\nlast: 2\n"},
      {"lists", R"({"list":[1,"two",{"name":"x","more":[]},[3,4],{}]})",
       "---\nlist:\n  - 1\n  - \"two\"\n  - name: \"x\"\n    more: []\n  -\n    - 3\n    - 4\n"
       "  - {}\n"},
      {"brackets and escapes in strings", R"({"text":"a\"},{]\\"})",
       "---\ntext: \"a\\\"},{]\\\\\"\n"},
      {"keys that are no plain words", R"({"on":1,"null":2,"a b":3,"":4})",
       "---\n\"on\": 1\n\"null\": 2\n\"a b\": 3\n\"\": 4\n"},
      {"empty", "{}", "--- {}\n"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(JsonToYaml(c.json), c.yaml) << c.name;
    const auto parsed = ParseYaml(JsonToYaml(c.json));
    EXPECT_TRUE(std::holds_alternative<YamlNodePtr>(parsed)) << c.name;
  }
}

TEST(DocumentTest, EndsEveryDocument) {
  EXPECT_EQ(InFormat(Format::kJson, "{}"), "{}\n");
  EXPECT_EQ(InFormat(Format::kJson, "{\n}\n"), "{\n}\n");
  EXPECT_EQ(InFormat(Format::kYaml, "{\"name\":1}"), "---\nname: 1\n");
}

}  // namespace
}  // namespace hb::client
