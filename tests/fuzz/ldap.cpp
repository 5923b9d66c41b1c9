// Names on their way into a directory server and back: whatever a user calls himself is one value of the filter, never a part of its structure; an
// entry that a server sends is judged without trust.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "config/config.h"
#include "identity/domain/directory_entries.h"

namespace {
using namespace pilvi;
using namespace pilvi::identity;

// RFC 4515: what the server makes of an escaped value; aborts on anything that the grammar would read as structure.
std::string unescaped(std::string_view value) {
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        if (c == '(' || c == ')' || c == '*' || c == '\0') std::abort();
        if (c != '\\') {
            out += c;
            continue;
        }
        if (value.size() - i < 3) std::abort();
        out += static_cast<char>(std::stoi(std::string(value.substr(i + 1, 2)), nullptr, 16));
        i += 2;
    }
    return out;
}

const DirectoryRules& rules(bool ids) {
    static const auto make = [](bool by_id) {
        Config config({directory_settings});
        config.set("ldap.user_filter", "(!(locked=TRUE))");
        config.set("ldap.group_members_are_ids", by_id ? "true" : "false");
        config.set("ldap.user_enabled_mask", by_id ? "2" : "0");
        if (by_id) config.set("ldap.user_enabled_default", "512");
        return DirectoryRules(config);
    };
    static const DirectoryRules by_id = make(true), by_dn = make(false);
    return ids ? by_id : by_dn;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (unescaped(escape_filter(text)) != text) std::abort();
    for (const bool ids : {true, false}) {
        const DirectoryRules& r = rules(ids);
        const std::string before = "(&(objectClass=inetOrgPerson)(!(locked=TRUE))(sn=";
        const std::string filter = r.users.find("sn", text);
        if (!filter.starts_with(before) || !filter.ends_with("))")) std::abort();
        const std::string value = filter.substr(before.size(), filter.size() - before.size() - 2);
        if (text.empty() ? value != "*" : unescaped(value) != text) std::abort();

        LdapEntry user{.dn = std::string(text)};
        const std::vector<std::string> lines = split(text, '\n');
        for (std::size_t i = 0; i + 1 < lines.size(); i += 2) user.attributes[lower(lines[i])].push_back(lines[i + 1]);
        user.attributes["cn"].emplace_back(text);
        (void)r.enabled(user);
        (void)r.member_key(user);
        (void)r.member_keys(user);
        const std::string groups = r.groups_of(user);
        if (!groups.starts_with("(&(objectClass=groupOfNames)(member=") || !groups.ends_with("))")) std::abort();
    }
    if (size < 1000 && normal_dn(normal_dn(text)) != normal_dn(text)) std::abort();
    return 0;
}
