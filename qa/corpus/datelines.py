"""Datelines: the "MOSKOW - " or "Jakarta, CNN Indonesia -- " before a first sentence gives place and outlet.

Pure text. A head that could be the beginning of a sentence ("Jakarta - Bandung akan ...") is left alone:
a dateline missed costs a few characters in a quote, a wrong one would cost the article its first words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from qa.corpus.dates import DateMention, date_alone

_CITIES = """
ambon balikpapan banda aceh bandar lampung bandung bangkalan banjar banjarbaru banjarmasin bantul banyumas
banyuwangi batam batang batu bekasi bengkulu biak bima binjai bireuen bitung blitar blora bogor bojonegoro
bondowoso boyolali brebes bukittinggi ciamis cianjur cibinong cikarang cilacap cilegon cimahi cirebon demak
denpasar depok dompu dumai ende garut gianyar gorontalo gowa gresik grobogan gunungkidul indramayu jakarta
jambi jayapura jember jepara jombang kaimana karanganyar karawang kebumen kediri kendal kendari kertanegara
klaten klungkung kuala kapuas kudus kulon progo kuningan kupang labuan bajo lahat lamongan langkat langsa
lebak lhokseumawe lombok lubuklinggau lumajang madiun magelang magetan majalengka makassar malang mamuju
manado manokwari mataram maumere medan merauke meulaboh mojokerto muaro jambi nabire nganjuk ngawi nusa dua
nusantara pacitan padang padang panjang pagaralam palangkaraya palangka raya palembang palopo palu pamekasan
pandeglang pangkalan bun pangkalpinang parepare pasuruan pati payakumbuh pekalongan pekanbaru pemalang
pematangsiantar ponorogo pontianak poso prabumulih probolinggo purbalingga purwakarta purwokerto purworejo
rantauprapat rembang sabang salatiga samarinda sampang sampit sawahlunto semarang senayan sengkang serang
serpong sibolga sidoarjo sigli singaraja singkawang sintang situbondo sleman solo sorong sragen subang
sukabumi sukoharjo sumbawa sumedang sumenep surabaya surakarta tabanan tangerang tangerang selatan
tanjungpinang tanjung pinang tanjung selor tarakan tasikmalaya tebing tinggi tegal temanggung ternate timika
trenggalek tuban tulungagung ungaran wamena wates wonogiri wonosari wonosobo yogyakarta
abu dhabi addis ababa addis abeba alger aljir amman amsterdam ankara astana athena atlanta auckland baghdad
baku bandar seri begawan bangkok barcelona beijing beirut beograd berlin bern bogota boston brasilia bratislava
brussel brussels bucharest budapest buenos aires canberra caracas chicago colombo damaskus davos den haag
dhaka dili doha dubai dublin dubrovnik florence frankfurt gaza hanoi hamburg harare havana helsinki hiroshima
ho chi minh hong kong islamabad istanbul jeddah jenewa jerusalem johannesburg kabul kairo karachi kathmandu
khartoum kiev kigali kopenhagen kuala lumpur kyiv lagos lima lisbon lisabon liverpool london los angeles lyon
madinah madrid makkah manama manchester manila marseille mekkah melbourne miami milan minsk monako montreal
moskow moscow mumbai munich muscat nairobi naypyidaw new delhi new york nice oslo ottawa paris perth
phnom penh port moresby praha pyongyang rabat ramallah rangoon rio de janeiro riyadh roma san francisco
santiago sao paulo sarajevo seattle sevilla seoul shanghai singapura sofia st petersburg stockholm suva sydney
tallinn tashkent tbilisi teheran tel aviv tokyo toronto tripoli tunis turin ulan bator valencia vatikan
vientiane vilnius warsawa washington wellington wina wuhan yangon yerevan zagreb zurich
"""
_REGIONS = """
aceh sumatera utara sumatera barat sumatera selatan sumut sumbar sumsel riau kepulauan riau kepri lampung
bangka belitung banten dki jakarta jawa barat jawa tengah jawa timur jabar jateng jatim diy bali
nusa tenggara barat nusa tenggara timur ntb ntt kalimantan barat kalimantan tengah kalimantan selatan
kalimantan timur kalimantan utara kalbar kalteng kalsel kaltim kaltara sulawesi utara sulawesi tengah
sulawesi selatan sulawesi tenggara sulawesi barat sulut sulteng sulsel sultra sulbar maluku maluku utara
papua papua barat indonesia afghanistan afrika selatan aljazair amerika serikat arab saudi argentina armenia
australia austria azerbaijan bahama bahrain bangladesh belanda belgia brasil brunei bulgaria cile china cina
denmark ekuador etiopia filipina finlandia ghana hungaria india inggris irak iran irlandia islandia israel
italia jepang jerman kamboja kamerun kanada kazakhstan kenya kolombia korea selatan korea utara kroasia kuba
kuwait laos lebanon libya malaysia maroko meksiko mesir mongolia mozambik myanmar nepal nigeria norwegia oman
pakistan palestina pantai gading paraguay perancis prancis peru polandia portugal qatar rumania rusia
selandia baru senegal serbia siprus skotlandia slovakia slovenia spanyol sri lanka sudan suriah swedia swiss
taiwan thailand tiongkok timor leste tunisia turki uganda ukraina uni emirat arab uruguay vietnam wales yaman
yordania yunani
"""


def _names(block: str) -> frozenset[str]:
    """Every run of one to three words is a name: a few senseless ones do no harm before a dash."""
    words = block.split()
    return frozenset(" ".join(words[i : i + n]) for i in range(len(words)) for n in (1, 2, 3))


_CITY_NAMES, _PLACES = _names(_CITIES), _names(_CITIES + _REGIONS)
_OUTLETS = {
    name.casefold(): name
    for name in (
        "AFP|AP|ANTARA|ANTARA News|Antaranews|BBC|BBC Indonesia|Beritasatu|Bisnis|Bisnis Indonesia|CNBC Indonesia"
        "|CNN Indonesia|Contoh|Dailysocial|detik|detikcom|detikFinance|detikNews|detikSport|Harian Jogja|INILAH"
        "|IDN Times|Jawa Pos|JPNN|Kompas|Kompas TV|Koran Jakarta|Kumparan|Liputan6|Media Indonesia|Merdeka"
        "|MetroTV|Okezone|Pikiran Rakyat|Pos Kota|Poskota|Radar Bogor|Republika|Reuters|Rimanews|RMOL|Sindonews"
        "|Solopos|Suara|Suara Merdeka|Suara Pembaruan|Tempo|The Jakarta Post|Tirto|Tribun|Tribunnews|VIVA|VIVAnews"
        "|VOA|VOA Indonesia|Warta Kota|Xinhua"
    ).split("|")
}
_RUBRICS = frozenset(
    "OPINI ANALISIS KOLOM FOTO VIDEO INFOGRAFIS WAWANCARA EKSKLUSIF BREAKING UPDATE TERKINI FOKUS".split()
)
_DOMAIN = re.compile(
    r"[A-Za-z0-9][\w-]{1,30}\.(?:co\.id|or\.id|web\.id|com|net|id|co|news|tv|org)", re.IGNORECASE
)
_DASH = re.compile(r"\s+(?:--|[-–—])\s*|\s*(?:--|[–—])\s*|-\s+|\s*(?:--|[-–—])$")
_BARE = re.compile(rf"(?P<outlet>{_DOMAIN.pattern}),\s+(?P<rest>(?:[A-Z]\w+ ){{1,3}})", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"(?P<place>[^()]*?)\s*\((?P<inside>[^()]{2,40})\)")
_OPENING = re.compile(r"[\"'“”‘’(\[]*[A-Z0-9]")


@dataclass(frozen=True, slots=True)
class Dateline:
    """What stands before a first sentence; ``length`` counts its characters, the dash included."""

    place: str | None
    source: str | None
    date: DateMention | None
    length: int


def outlet_name(text: str) -> str:
    """Write a known outlet as it writes itself; leave any other as it stands."""
    return _OUTLETS.get(text.casefold(), text)


def find_dateline(text: str) -> Dateline | None:
    """Read the dateline at the start of a paragraph, if there is one that cannot be anything else."""
    start = text[:120]
    for dash in _DASH.finditer(start):
        head, rest = start[: dash.start()], start[dash.end() :]
        if len(head) > 80 or (rest and not _OPENING.match(rest)):
            return None
        found = _read_head(" ".join(head.split()), rest, dash.end())
        if found or dash.start() == 0:
            return found
        # A hyphen in the outlet's or place's own name: try the next dash, but only one near by.
        if dash.start() > 40:
            return None
    return _read_bare(start)


def _read_bare(start: str) -> Dateline | None:
    """Read "Liputan6.com, Jakarta Menteri ...", the one form without a dash."""
    match = _BARE.match(start)
    if not match:
        return None
    words = match["rest"].split()
    for count in range(len(words), 0, -1):
        place = " ".join(words[:count])
        if is_city(place):
            length = match.start("rest") + len(place) + 1
            return Dateline(_place_name(place), match["outlet"], None, length)
    return None


def is_city(name: str) -> bool:
    """Whether a name is that of a city known here; case does not count."""
    return name.casefold() in _CITY_NAMES


def _read_head(head: str, rest: str, length: int) -> Dateline | None:
    brackets = _IN_BRACKETS.fullmatch(head)
    if brackets:
        return _read_brackets(brackets["place"], brackets["inside"], length)
    parts = [part.strip() for part in re.split(r"[,|]", head)]
    mention = date_alone(parts[-1]) if len(parts) > 1 else None
    if mention:
        parts = parts[:-1]
    if not 1 <= len(parts) <= 3 or not all(parts):
        return None
    if len(parts) == 1:
        return _read_single(parts[0], rest, mention, length)
    outlets = [part for part in parts if _is_outlet(part)]
    places = [part for part in parts if part.casefold() in _PLACES]
    unknown = [part for part in parts if part not in outlets and part not in places]
    if len(outlets) > 1 or len(unknown) > 1 or not all(map(_is_name, unknown)):
        return None
    if unknown and outlets and unknown[0].isupper():
        places.append(unknown.pop())
    elif unknown and places and not outlets:
        outlets.append(unknown.pop())
    if unknown or not (places or outlets):
        return None
    source = outlet_name(outlets[0]) if outlets else None
    return Dateline(_place_name(", ".join(places)) if places else None, source, mention, length)


def _read_brackets(place: str, inside: str, length: int) -> Dateline | None:
    """Read "Makassar (ANTARA News) - " and "JAKARTA (12/1/2023) - "."""
    place = place.rstrip(", ")
    parts = [part.strip() for part in place.split(",")]
    known = any(part.casefold() in _PLACES for part in parts)
    if not place or not (known or _is_place_in_capitals(place)) or len(parts) > 2:
        return None
    mention = date_alone(inside)
    if mention:
        return Dateline(_place_name(place), None, mention, length)
    # "PALEMBANG (SUMSEL) - " has no outlet, "SOLO (BACA) - " none that is known: a name is enough here.
    source = outlet_name(inside) if _is_outlet(inside) or _is_name(inside) else None
    return Dateline(_place_name(place), source, None, length) if source else None


def _read_single(head: str, rest: str, mention: DateMention | None, length: int) -> Dateline | None:
    if _is_outlet(head):
        return Dateline(None, outlet_name(head), mention, length)
    if head.isupper() and (head.casefold() in _PLACES or _is_place_in_capitals(head)):
        return Dateline(_place_name(head), None, mention, length)
    following = re.match(r"[\w']+", rest)
    if is_city(head) and head[0].isupper() and rest and not (following and is_city(following.group())):
        return Dateline(_place_name(head), None, mention, length)
    return None


def _is_outlet(name: str) -> bool:
    return bool(_DOMAIN.fullmatch(name)) or name.casefold() in _OUTLETS


def _is_name(text: str) -> bool:
    words = text.split()
    return 1 <= len(words) <= 3 and all(word[0].isupper() for word in words)


def _is_place_in_capitals(text: str) -> bool:
    """Whether unknown capitals look like a place and not an acronym: long words with vowels."""
    words = re.split(r"[ '-]", text)
    return (
        text.isupper()
        and len(words) <= 3
        and words[0] not in _RUBRICS
        and all(len(word) >= 3 and word.isalpha() for word in words)
        and any(len(word) >= 5 and len(re.findall("[AEIOU]", word)) >= 2 for word in words)
    )


def _place_name(text: str) -> str:
    return text.title() if text.isupper() else text
