"""Chinese surnames whose reading as a name is not the characters' common reading, or which have two characters."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Reading: the surname in its simplified and traditional forms.
_TABLE: Final = """
chan yu: 单于 單于
chun yu: 淳于
dong fang: 东方 東方
gong sun: 公孙 公孫
guan qiu: 毌丘
hu yan: 呼延
huang fu: 皇甫
ling hu: 令狐
mo qi: 万俟 萬俟
ou yang: 欧阳 歐陽
qi guan: 亓官
shang guan: 上官
si ma: 司马 司馬
tan tai: 澹台 澹臺
tuo ba: 拓跋
xia hou: 夏侯
xian yu: 鲜于 鮮于
yu chi: 尉迟 尉遲
yu wen: 宇文
yue zheng: 乐正 樂正
zhang sun: 长孙 長孫
zhu ge: 诸葛 諸葛
bi: 秘
bo: 薄
bu: 卜
chao: 晁
che: 车 車
chong: 种 重
gai: 盖 蓋
ge: 葛
gou: 句 勾
he: 黑
hua: 华 華
ji: 纪 紀
kan: 阚 闞
kui: 隗
kuo: 适
mi: 芈
miao: 缪 繆
mu: 牟
nai: 佴
nian: 粘
nie: 乜
ning: 宁 甯 寧
ou: 区 區
pang: 逄
piao: 朴
po: 繁
qie: 郄
qin: 覃
qiu: 仇
ren: 任
sha: 沙
shan: 单 單
shao: 召
she: 折
xi: 郗
xian: 冼 洗
xie: 解
xun: 郇
yan: 燕
yao: 么 幺
ying: 应 應
yuan: 苑
yue: 乐 樂
yun: 员 員
zang: 臧 藏
zeng: 曾
zha: 查
zhai: 翟 祭
"""


def _read(table: str) -> dict[str, str]:
    lines = (line.split(": ") for line in table.strip().splitlines())
    return {surname: reading for reading, surnames in lines for surname in surnames.split()}


SURNAMES: Final[Mapping[str, str]] = MappingProxyType(_read(_TABLE))
LONGEST_SURNAME: Final = max(map(len, SURNAMES))
