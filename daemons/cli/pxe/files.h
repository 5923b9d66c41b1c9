#pragma once
// The HTTP side of a provisioning network. Nothing secret is served: what a machine becomes is decided by pilvi-cluster, over TLS.
//   GET /boot.ipxe, /boot/MAC      scripts
//   GET /files/NAME                of the media
//   GET /answers/MAC               its settings
//   POST /installed/MAC            it was installed: from now on it starts from its disk, until its settings change
#include <mutex>

#include "http/http.h"
#include "pxe/boot.h"

namespace pilvi::cli {

class PxeFiles final : public http::Handler {
public:
    // `answers`: directory of MAC.conf; `state`: directory of what was installed.
    PxeFiles(const Media& media, Provisioning provisioning, std::string answers, std::string state)
        : media_(media), provisioning_(std::move(provisioning)), answers_(std::move(answers)), state_(std::move(state)) {}
    http::BodyPolicy body_policy(const http::RequestHead&) override { return {.limit = 0}; }
    http::Response handle(http::Request& request) override;
    http::Response refuse(int status, std::string_view reason) override;

    std::string settings_file(const std::string& mac) const { return answers_ + "/" + mac + ".conf"; }
    std::string installed_file(const std::string& mac) const { return state_ + "/installed-" + mac; }

private:
    http::Response answer(const http::Request& request);
    BootWay way_of(const std::string& mac) const;
    const Media& media_;
    Provisioning provisioning_;
    std::string answers_, state_;
};

}  // namespace pilvi::cli
