"""What the connection test says: each finding with what is wrong and what to do, in English and Chinese."""

from collections.abc import Mapping
from typing import Final

STEPS: Final[Mapping[str, tuple[str, str]]] = {
    "tcp": ("network", "网络"),
    "tls": ("TLS", "TLS"),
    "association": ("association", "关联"),
    "echo": ("C-ECHO", "C-ECHO"),
    "find": ("C-FIND", "C-FIND"),
    "store": ("C-STORE", "C-STORE"),
}

FINDINGS: Final[Mapping[str, tuple[str, str]]] = {
    "connected": ("{address}:{port} takes connections.", "{address}:{port} 接受连接。"),
    "name_unknown": (
        "The name {host} has no address. Check its spelling and this machine's name server, or register the address.",
        "主机名 {host} 无法解析。请检查拼写和本机的 DNS，或改为登记 IP 地址。",
    ),
    "refused": (
        "{host} is there, and nothing listens on port {port}. Check the port, and that the DICOM service runs there.",
        "{host} 可达，但端口 {port} 没有程序监听。请检查端口号，并确认对方的 DICOM 服务已启动。",
    ),
    "no_route": (
        "There is no way to {host} from here. Check the address, its network, and whether it is switched on.",
        "从本机无法到达 {host}。请检查地址、网络路由以及设备是否开机。",
    ),
    "tcp_timeout": (
        "{host}:{port} does not answer within {seconds} s. It is switched off, or a firewall drops what we send.",
        "{host}:{port} 在 {seconds} 秒内无应答。设备可能关机，或防火墙丢弃了数据。",
    ),
    "tcp_failed": ("No connection to {host}:{port}: {reason}.", "无法连接 {host}:{port}：{reason}。"),
    "secured": ("{version} with {cipher}.", "{version}，{cipher}。"),
    "tls_missing": (
        "The device is to be called over TLS, and TLS cannot be used here: {reason}.",
        "该设备须以 TLS 呼叫，但本机的 TLS 不可用：{reason}。",
    ),
    "tls_not_spoken": (
        "Port {port} answers without TLS. Switch TLS off for this device, or use its TLS port (often 2762).",
        "端口 {port} 不使用 TLS。请为该设备关闭 TLS，或改用它的 TLS 端口（常为 2762）。",
    ),
    "tls_closed": (
        "It closed the connection during the TLS handshake. Either port {port} speaks no TLS, or it refuses our "
        "certificate without saying so.",
        "对方在 TLS 握手中关闭了连接：端口 {port} 可能不支持 TLS，或拒绝了我方证书而未说明。",
    ),
    "tls_untrusted": (
        "Its certificate is not vouched for by an authority we trust ({reason}). Add that authority to dimse.tls_ca.",
        "其证书并非由受信任的机构签发（{reason}）。请将该机构加入 dimse.tls_ca。",
    ),
    "tls_expired": (
        "Its certificate has expired. It needs a new one; until then its calls cannot be trusted.",
        "其证书已过期，须更换新证书。",
    ),
    "tls_early": (
        "Its certificate is not valid yet. Check the clocks of both machines.",
        "其证书尚未生效。请检查双方的时钟。",
    ),
    "tls_name": (
        "Its certificate is for another name than {name}. Put the certificate's name into the device's tls.name, or "
        "switch its name check off.",
        "其证书不属于 {name}。请将证书中的名称填入设备的 tls.name，或关闭名称检查。",
    ),
    "tls_refuses_us": (
        "It does not accept our certificate: {reason}. It must trust the authority that signed dimse.tls_certificate.",
        "对方不接受我方证书：{reason}。对方须信任签发 dimse.tls_certificate 的机构。",
    ),
    "tls_failed": ("The TLS handshake failed: {reason}.", "TLS 握手失败：{reason}。"),
    "tls_timeout": (
        "It does not go through with the TLS handshake within {seconds} s; port {port} may speak no TLS.",
        "在 {seconds} 秒内未完成 TLS 握手；端口 {port} 可能不支持 TLS。",
    ),
    "associated": (
        "{called} accepts associations of {calling}; its software calls itself {implementation}.",
        "{called} 接受 {calling} 的关联；其软件标识为 {implementation}。",
    ),
    "called_ae": (
        "It does not go by the AE title {called}. Ask for its AE title; capitals and blanks count.",
        "对方的 AE 标题不是 {called}。请核对其 AE 标题（区分大小写和空格）。",
    ),
    "calling_ae": (
        "It does not know our AE title {calling}. Register {calling} there with this machine's address.",
        "对方不认识我方 AE 标题 {calling}。请在对方登记 {calling} 及本机地址。",
    ),
    "busy": (
        "It is too busy now, or its limit of associations is reached. Try again later.",
        "对方当前繁忙或关联数已达上限。请稍后再试。",
    ),
    "rejected": (
        "It rejects the association without a helpful reason ({reason}). Check both AE titles and its log.",
        "对方拒绝关联且原因不明（{reason}）。请核对双方 AE 标题并查看对方日志。",
    ),
    "aborted": (
        "It aborted when we asked for an association ({reason}). Many devices do so with callers that they do not "
        "know: register {calling} there, and look into its log.",
        "对方在请求关联时中止（{reason}）。许多设备对未登记的呼叫方如此处理：请在对方登记 {calling}，并查看其日志。",
    ),
    "closed": (
        "It closed the connection when we asked for an association. Many devices do so with callers they do not know: "
        "register {calling} with this machine's address there.",
        "对方在请求关联时关闭了连接。许多设备对未登记的呼叫方如此处理：请在对方登记 {calling} 及本机地址。",
    ),
    "no_answer": (
        "It takes the connection and says nothing within {seconds} s. Another service listens on port {port}, or the "
        "device hangs.",
        "对方接受连接，但 {seconds} 秒内无任何应答。端口 {port} 可能是其他服务，或设备已挂起。",
    ),
    "wants_tls": (
        "Port {port} wants TLS. Switch TLS on for this device, or use its port without TLS (often 104 or 11112).",
        "端口 {port} 要求 TLS。请为该设备启用 TLS，或改用非 TLS 端口（常为 104 或 11112）。",
    ),
    "http": (
        "Port {port} is a web server and speaks no DICOM. Check the port number.",
        "端口 {port} 是网页服务器，不是 DICOM。请检查端口号。",
    ),
    "not_dicom": (
        "What answers on port {port} speaks no DICOM ({reason}). Check the port number.",
        "端口 {port} 的应答不是 DICOM（{reason}）。请检查端口号。",
    ),
    "echo_ok": ("It answers.", "应答正常。"),
    "echo_not_taken": (
        "It accepts the association and not C-ECHO, which every node must (PS3.4 A): {reason}.",
        "对方接受关联但不接受 C-ECHO（每个节点都应支持，PS3.4 A）：{reason}。",
    ),
    "echo_status": ("It answers C-ECHO with {status}: {reason}.", "C-ECHO 应答状态 {status}：{reason}。"),
    "stopped": (
        "It accepted the association and then stopped answering: {reason}.",
        "对方接受关联后不再应答：{reason}。",
    ),
    "find_ok": ("It answers queries.", "查询正常。"),
    "find_not_taken": (
        "It takes no queries (Study Root) from {calling}: {reason}. That is right for a device that only sends.",
        "对方不接受 {calling} 的查询（Study Root）：{reason}。仅发送图像的设备属正常。",
    ),
    "find_status": (
        "It accepts queries and answers ours with {status}: {reason}. Its rights for {calling} may be missing.",
        "对方接受查询，但应答状态 {status}：{reason}。可能未给 {calling} 授权。",
    ),
    "store_ok": (
        "It would take {count} of {asked} common classes, {packed} of them compressed too.",
        "可接收 {asked} 种常见类别中的 {count} 种，其中 {packed} 种支持压缩。",
    ),
    "store_none": (
        "It would take no images from {calling}. That is right for a device that only sends or asks.",
        "对方不接收 {calling} 的任何图像。仅发送或查询的设备属正常。",
    ),
    "store_syntax": (
        "It knows {count} of our classes and takes none in a transfer syntax we offer (plain, JPEG, JPEG-LS, JPEG "
        "2000, RLE). Its settings must allow Explicit or Implicit VR Little Endian.",
        "对方支持 {count} 种类别，但没有共同的传输语法。请在对方启用 Explicit 或 Implicit VR Little Endian。",
    ),
    "store_rejected": (
        "It accepts associations, and not one that offers images: {reason}.",
        "对方接受关联，但拒绝提供图像的关联：{reason}。",
    ),
}


def sentence(code: str, parameters: Mapping[str, object], language: str = "en") -> str:
    """A finding in ``en`` or ``zh``."""
    return FINDINGS[code][1 if language == "zh" else 0].format_map(parameters)
