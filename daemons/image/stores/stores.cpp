#include "stores/store.h"

#include <algorithm>

#include "base/error.h"

namespace pilvi::image {
namespace {
struct Driver {
    std::string_view scheme;
    std::unique_ptr<ImageStore> (*make)(std::string_view url, const StoreOptions& options);
};
constexpr Driver drivers[] = {
    {"file:", &make_file_store},
    {"http:", &make_http_store},
    {"rbd:", &make_rbd_store},
};

NamedStore make(const std::string& described, const StoreOptions& options) {
    const std::size_t equals = described.find('=');
    const std::string name = described.substr(0, equals);
    const bool named = equals != std::string::npos && !name.empty() && name.size() <= 64 &&
                       std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
    if (!named) throw Error(Errc::bad_request, "store.enabled: '" + described + "' is not NAME=URL");
    const std::string_view url = std::string_view(described).substr(equals + 1);
    for (const Driver& driver : drivers)
        if (url.starts_with(driver.scheme)) return {name, driver.make(url.substr(driver.scheme.size()), options)};
    throw Error(Errc::bad_request, "store.enabled: '" + described + "' has no known kind of store");
}
}  // namespace

Stores::Stores(std::span<const std::string> described, const std::string& preferred, const StoreOptions& options) {
    for (const std::string& one : described) {
        NamedStore made = make(one, options);
        if (find(made.name)) throw Error(Errc::bad_request, "store.enabled: there are two stores '" + made.name + "'");
        stores_.push_back(std::move(made));
    }
    if (stores_.empty()) throw Error(Errc::bad_request, "store.enabled: there is no store");
    preferred_ = preferred.empty() ? &stores_.front() : find(preferred);
    if (!preferred_ || !preferred_->store->writable())
        throw Error(Errc::bad_request, "store.default: '" + preferred + "' is no store that takes data");
}

const NamedStore* Stores::find(std::string_view name) const {
    const auto found = std::find_if(stores_.begin(), stores_.end(), [&](const NamedStore& one) { return one.name == name; });
    return found == stores_.end() ? nullptr : &*found;
}

}  // namespace pilvi::image
